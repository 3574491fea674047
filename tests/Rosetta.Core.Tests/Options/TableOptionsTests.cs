using Rosetta.Core.Destinations;
using Rosetta.Core.Options;
using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Core.Tests.Options;

public sealed class TableOptionsTests
{
    static readonly TableOptions Soft = new() { DeletedColumn = "gone", LsnColumn = "at", Ignore = IgnoredChanges.Truncate };

    [Fact]
    public void Should_come_back_from_what_is_stored_and_take_words_that_nobody_knows_for_nothing()
    {
        Assert.Equal(Soft, TableOptionsJson.Parse(TableOptionsJson.ToJson(Soft)));
        Assert.Equal("{}", TableOptionsJson.ToJson(TableOptions.None));
        Assert.Equal(TableOptions.None, TableOptionsJson.Parse("{}"));
        Assert.Equal(
            new TableOptions { DeletedColumn = "_deleted_at", Ignore = IgnoredChanges.Update, OperationColumn = "_rosetta_operation" },
            TableOptionsJson.Parse("""{"delete_mode": "soft", "ignore": ["update", "what", 5], "metadata": ["operation", "who"], "metadata_names": {"operation": ""}}"""));
        Assert.Equal(TableOptions.None, TableOptionsJson.Parse("""["soft"]"""));
        Assert.Equal(TableOptions.None, TableOptionsJson.Parse("""{"with_indexes": "yes"}"""));
        foreach (var withIndexes in (bool?[])[true, false, null])
            Assert.Equal(withIndexes, TableOptionsJson.Parse(TableOptionsJson.ToJson(Soft with { WithIndexes = withIndexes })).WithIndexes);
    }

    [Fact]
    public void Should_mark_by_a_flag_when_asked_to_under_a_name_of_its_own()
    {
        var flag = TableOptionsJson.Parse("""{"delete_mode": "soft", "deleted_type": "boolean"}""");
        Assert.Equal(new TableOptions { DeletedColumn = "_deleted", MarksByFlag = true }, flag);
        Assert.Equal(flag, TableOptionsJson.Parse(TableOptionsJson.ToJson(flag)));
        Assert.Equal(TableOptions.None, TableOptionsJson.Parse("""{"deleted_type": "boolean"}"""));
        Assert.NotEqual((flag with { MarksByFlag = false }).Fingerprint, flag.Fingerprint);
        Assert.Equal(("boolean", "false"), flag.Columns.Select(c => (c.TypeSql, c.DefaultSql)).Single());
        Assert.Equal(("x IS TRUE", "x IS NOT TRUE"), (flag.IsMarked("x"), flag.IsLiving("x")));
        Assert.Equal(("x IS NOT NULL", "x IS NULL"), (Soft.IsMarked("x"), Soft.IsLiving("x")));
    }

    [Fact]
    public void Should_not_take_indexes_for_something_that_makes_other_rows()
    {
        var indexed = new TableOptions { WithIndexes = false };
        Assert.NotEqual(TableOptions.None, indexed);
        Assert.Equal(TableOptions.None, indexed.OfRows);
        Assert.Null(indexed.Fingerprint);
        Assert.Equal(Soft.Fingerprint, (Soft with { WithIndexes = true }).Fingerprint);
        var table = Table(["id"], ["id"]);
        Assert.Same(table, indexed.Describe(table));
        var route = new TableRoute(table.Name, table.Name, null) { Options = indexed };
        Assert.True(route.IsSameAs(route with { Options = TableOptions.None }));
        Assert.Equal([false, true, false], new[] { route.WantsExtras(true), (route with { Options = new TableOptions { WithIndexes = true } }).WantsExtras(false), (route with { Options = Soft }).WantsExtras(false) });
    }

    [Fact]
    public void Should_name_different_options_differently_and_none_not_at_all()
    {
        Assert.Null(TableOptions.None.Fingerprint);
        Assert.Equal(Soft.Fingerprint, (Soft with { }).Fingerprint);
        // As it was before there were other options: nothing is copied again for a new version.
        Assert.Equal("4f77b670dfc6f8e4", Soft.Fingerprint);
        Assert.NotEqual(Soft.Fingerprint, (Soft with { DeletedColumn = "other" }).Fingerprint);
        Assert.NotEqual(Soft.Fingerprint, (Soft with { LsnColumn = null, OperationColumn = "at" }).Fingerprint);
    }

    [Fact]
    public void Should_refuse_a_name_that_is_taken_and_marks_in_a_table_without_a_key()
    {
        var table = Table(["id", "gone"], ["id"]);
        Assert.Contains("column gone of its own", Soft.Misfit(table, null)!.Value.Reason, StringComparison.Ordinal);
        Assert.Null(Soft.Misfit(table, ["id"]));
        Assert.Contains("no key", Soft.Misfit(Table(["id"], []) with { ReplicaIdentity = 'f' }, null)!.Value.Reason, StringComparison.Ordinal);
        Assert.Null(new TableOptions { LsnColumn = "at" }.Misfit(Table(["id"], []) with { ReplicaIdentity = 'f' }, null));
        Assert.Null(TableOptions.None.Misfit(table, null));
    }

    static TableDescription Table(string[] columns, string[] key) => new(
        1, new TableName("public", "t"), [.. columns.Select(c => new ColumnDescription(c, 23, -1, "integer", false, null, null, null, true))], key, 'd', key, 0, 0);
}
