using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Core.Tests.Tables;

public sealed class TablePlannerTests
{
    static readonly TableDescription Orders = Table("sales", "orders");
    static readonly TableDescription Items = Table("sales", "items");
    static readonly TableDescription Log = Table("public", "log") with { PrimaryKey = [], IdentityColumns = [] };
    static readonly TableDescription[] Catalog = [Orders, Items, Log];

    [Fact]
    public void Should_take_every_table_when_nothing_is_chosen()
    {
        var plan = Plan([]);
        Assert.Equal(["public.log", "sales.items", "sales.orders"], plan.Select(static p => p.Source.ToString()));
        Assert.All(plan, static p => Assert.Equal(p.Source, p.Route!.Target));
        Assert.All(plan, static p => Assert.Null(p.Route!.Columns));
        Assert.All(plan, static p => Assert.Null(p.Error));
    }

    [Fact]
    public void Should_replicate_only_what_a_list_matches()
    {
        var plan = Plan([Choice("sales.*")]);
        Assert.Equal([Items.Name, Orders.Name], plan.Select(static p => p.Source));
    }

    [Fact]
    public void Should_take_inserts_only_from_a_table_without_replica_identity_and_say_how_to_mend_that()
    {
        var table = Assert.Single(Plan([Choice("log")]));
        Assert.True(table.InsertOnly);
        Assert.NotNull(table.Route);
        Assert.Contains("ALTER TABLE \"public\".\"log\" REPLICA IDENTITY FULL", table.Remedy, StringComparison.Ordinal);
        var full = Assert.Single(Plan([Choice("log")], [Log with { ReplicaIdentity = 'f' }]));
        Assert.False(full.InsertOnly);
        Assert.Null(full.Remedy);
    }

    [Fact]
    public void Should_show_an_excluded_table_and_give_it_no_route()
    {
        var plan = Plan([Choice("sales.*"), Choice("sales.orders", enabled: false)]);
        var excluded = plan.Single(static p => p.Source == Orders.Name);
        Assert.True(excluded.Excluded);
        Assert.Null(excluded.Route);
        Assert.NotNull(plan.Single(static p => p.Source == Items.Name).Route);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Should_let_an_exact_entry_beat_a_pattern_in_any_order(bool exactFirst)
    {
        TableChoice[] including = [Choice("sales.orders", target: "x.here"), Choice("sales.*", enabled: false)];
        var plan = Plan(exactFirst ? including : [.. including.Reverse()]);
        Assert.Equal(new TableName("x", "here"), plan.Single(static p => p.Source == Orders.Name).Route!.Target);
        Assert.True(plan.Single(static p => p.Source == Items.Name).Excluded);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Should_let_an_excluding_pattern_beat_an_including_one_in_any_order(bool includingFirst)
    {
        TableChoice[] choices = [Choice("sales.*"), Choice("*.orders", enabled: false)];
        var plan = Plan(includingFirst ? choices : [.. choices.Reverse()]);
        Assert.True(plan.Single(static p => p.Source == Orders.Name).Excluded);
        Assert.NotNull(plan.Single(static p => p.Source == Items.Name).Route);
    }

    [Fact]
    public void Should_take_the_first_of_two_including_patterns()
    {
        var plan = Plan([Choice("*.orders", target: "first.*"), Choice("sales.*", target: "second.*")]);
        Assert.Equal(new TableName("first", "orders"), plan.Single(static p => p.Source == Orders.Name).Route!.Target);
        Assert.Equal(new TableName("second", "items"), plan.Single(static p => p.Source == Items.Name).Route!.Target);
    }

    [Fact]
    public void Should_say_that_a_chosen_table_is_missing()
    {
        var missing = Assert.Single(Plan([Choice("sales.\"it's\"")]));
        Assert.Null(missing.Route);
        Assert.Contains("sales.it's", missing.Error, StringComparison.Ordinal);
        Assert.Contains("to_regclass('\"sales\".\"it''s\"')", missing.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void Should_say_nothing_of_a_pattern_that_matches_no_table() => Assert.Empty(Plan([Choice("nothing.*")]));

    [Fact]
    public void Should_show_a_table_that_is_excluded_and_missing_as_excluded()
    {
        var excluded = Assert.Single(Plan([Choice("gone", enabled: false)]));
        Assert.True(excluded.Excluded);
        Assert.Null(excluded.Error);
    }

    [Fact]
    public void Should_say_that_a_chosen_table_is_not_in_the_users_publication()
    {
        var published = new HashSet<TableName> { Items.Name };
        var plan = Plan([Choice("sales.orders"), Choice("sales.*")], published: published);
        var orders = plan.Single(static p => p.Source == Orders.Name);
        Assert.Null(orders.Route);
        Assert.Contains("ADD TABLE \"sales\".\"orders\"", orders.Remedy, StringComparison.Ordinal);
        Assert.NotNull(plan.Single(static p => p.Source == Items.Name).Route);
    }

    [Fact]
    public void Should_take_only_published_tables_when_nothing_or_a_pattern_is_chosen()
    {
        var published = new HashSet<TableName> { Items.Name };
        Assert.Equal(Items.Name, Assert.Single(Plan([], published: published)).Source);
        Assert.Equal(Items.Name, Assert.Single(Plan([Choice("sales.*")], published: published)).Source);
    }

    [Fact]
    public void Should_say_which_chosen_column_does_not_exist()
    {
        var table = Assert.Single(Plan([Choice("sales.orders", columns: ["id", "nope", "nor this"])]));
        Assert.Null(table.Route);
        Assert.Contains("nope, nor this", table.Error, StringComparison.Ordinal);
        Assert.NotNull(table.Remedy);
    }

    [Fact]
    public void Should_say_which_key_column_was_left_out()
    {
        var table = Assert.Single(Plan([Choice("sales.orders", columns: ["text"])]));
        Assert.Null(table.Route);
        Assert.Contains("lack its key: id", table.Error, StringComparison.Ordinal);
        Assert.Equal(["id", "text"], Assert.Single(Plan([Choice("sales.orders", columns: ["id", "text"])])).Route!.Columns);
    }

    [Fact]
    public void Should_refuse_to_send_two_tables_to_one_target()
    {
        var plan = Plan([Choice("sales.orders", target: "all"), Choice("sales.items", target: "all")], schema: "here");
        Assert.Equal(new TableName("here", "all"), plan.Single(static p => p.Source == Items.Name).Route!.Target);
        var second = plan.Single(static p => p.Source == Orders.Name);
        Assert.Null(second.Route);
        Assert.Contains("sales.items", second.Error, StringComparison.Ordinal);
        Assert.Contains("here.all", second.Error, StringComparison.Ordinal);
        Assert.NotNull(second.Remedy);
    }

    [Fact]
    public void Should_refuse_two_schemas_that_fall_together_in_the_destinations_one()
    {
        var plan = Plan([], [Orders, Table("archive", "orders")], "here");
        Assert.Equal(new TableName("here", "orders"), plan[0].Route!.Target);
        Assert.Null(plan[1].Route);
        Assert.Equal(Orders.Name, plan[1].Source);
    }

    [Theory]
    [InlineData(null, null, "sales", "orders")]
    [InlineData(null, "here", "here", "orders")]
    [InlineData("elsewhere", null, "sales", "elsewhere")]
    [InlineData("elsewhere", "here", "here", "elsewhere")]
    [InlineData("x.elsewhere", "here", "x", "elsewhere")]
    [InlineData("x.*", "here", "x", "orders")]
    [InlineData("\"a.b\".*", "here", "a.b", "orders")]
    [InlineData("\"a.b\".\"c.d\"", "here", "a.b", "c.d")]
    [InlineData("\"a.b\"", "here", "here", "a.b")]
    public void Should_name_the_target(string? target, string? destinationSchema, string schema, string name) =>
        Assert.Equal(new TableName(schema, name), TablePlanner.TargetOf(Orders.Name, target, destinationSchema));

    [Fact]
    public void Should_have_a_word_for_every_state() =>
        Assert.Equal(
            "PENDING SNAPSHOTTING CATCHING_UP STREAMING INSERT_ONLY RESYNCING PAUSED PARKED ERROR EXCLUDED",
            string.Join(' ', Enum.GetValues<TableState>().Select(static s => s.ToName())));

    static IReadOnlyList<PlannedTable> Plan(
        IReadOnlyList<TableChoice> choices, IReadOnlyList<TableDescription>? catalog = null, string? schema = null,
        IReadOnlySet<TableName>? published = null) =>
        TablePlanner.Plan(choices, catalog ?? Catalog, schema, published);

    static TableChoice Choice(string table, string? target = null, IReadOnlyList<string>? columns = null, bool enabled = true) =>
        new(table, target, columns, enabled);

    static TableDescription Table(string schema, string name) => new(
        1, new TableName(schema, name),
        [
            new ColumnDescription("id", 20, -1, "bigint", true, null, null, null, true),
            new ColumnDescription("text", 25, -1, "text", false, null, null, null, true),
        ],
        ["id"], 'd', ["id"], 0, 0);
}
