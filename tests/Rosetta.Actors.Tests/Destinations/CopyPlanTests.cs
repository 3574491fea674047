using Rosetta.Actors.Destinations;
using Rosetta.Actors.Replication;
using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Xunit;
using static Rosetta.Actors.Tests.Destinations.Planned;

namespace Rosetta.Actors.Tests.Destinations;

public sealed class CopyPlanTests
{
    [Fact]
    public void Should_copy_what_the_destination_does_not_know_largest_first_without_emptying()
    {
        var todo = For(Plan(Table(Items, 10), Table(Orders, 1000)), States());
        Assert.Equal([(Orders, false), (Items, false)], Copies(todo));
        Assert.Empty(todo.Adoptions);
        Assert.False(todo.IsEmpty);
    }

    [Fact]
    public void Should_have_nothing_to_do_for_tables_that_stream() =>
        Assert.True(For(Plan(Table(Orders), Table(Items)), States(Streaming(Orders), Streaming(Items))).IsEmpty);

    [Fact]
    public void Should_adopt_instead_of_copying_when_no_snapshot_is_wanted()
    {
        var todo = For(Plan(Table(Orders), Table(Items)) with { CopyFirst = false }, States(Streaming(Items)));
        Assert.Empty(todo.Copies);
        Assert.Equal(Orders, Assert.Single(todo.Adoptions).Source);
    }

    [Fact]
    public void Should_leave_a_stopped_table_alone_until_it_is_ordered()
    {
        var states = States(Stopped(Orders));
        Assert.True(For(Plan(Table(Orders)), states).IsEmpty);
        Assert.Equal([(Orders, true)], Copies(For(Plan(Table(Orders)).WithOrder(Orders, 1, force: false), states)));
    }

    [Fact]
    public void Should_empty_and_copy_a_streaming_table_only_for_its_own_order()
    {
        var states = States(Streaming(Orders));
        Assert.Equal([(Orders, true)], Copies(For(Plan(Table(Orders)).WithOrder(Orders, 1, force: true), states)));
        Assert.True(For(Plan(Table(Orders)).WithOrder(Orders, 1, force: false), states).IsEmpty);
    }

    [Fact]
    public void Should_copy_again_a_table_whose_rows_were_made_by_another_transform()
    {
        var filtered = Table(Orders) with { Route = new TableRoute(Orders, Orders, null) { Transform = new TransformChoice("n > 1", null) } };
        var made = Streaming(Orders) with { Transform = filtered.Route!.Fingerprint };

        Assert.True(For(Plan(filtered), States(made)).IsEmpty);
        Assert.Equal([(Orders, true)], Copies(For(Plan(filtered), States(Streaming(Orders)))));
        Assert.Equal([(Orders, true)], Copies(For(Plan(Table(Orders)), States(made))));
        Assert.Equal([(Orders, true)], Copies(For(Plan(filtered with { Route = filtered.Route with { Columns = ["id"] } }), States(made))));
        Assert.Equal([(Orders, true)], Copies(For(Plan(filtered), States(Stopped(Orders)))));
        Assert.True(For(Plan(filtered), States(Streaming(Orders)), refused: [Orders]).IsEmpty);
        Assert.Equal([(Orders, false)], Copies(For(Plan(filtered), States())));
        Assert.Equal(Orders, Assert.Single(For(Plan(filtered) with { CopyFirst = false }, States(Streaming(Orders))).Adoptions).Source);
    }

    [Fact]
    public void Should_copy_again_a_table_whose_columns_were_chosen_otherwise()
    {
        var chosen = Table(Orders) with { Route = new TableRoute(Orders, Orders, ["id"]) };

        Assert.Equal([(Orders, true)], Copies(For(Plan(chosen), States(Streaming(Orders)))));
        Assert.True(For(Plan(chosen), States(Streaming(Orders) with { Transform = chosen.Route!.Fingerprint })).IsEmpty);
        Assert.Equal([(Orders, true)], Copies(For(Plan(Table(Orders)), States(Streaming(Orders) with { Transform = chosen.Route!.Fingerprint }))));
    }

    [Fact]
    public void Should_forget_a_table_that_goes_elsewhere_and_copy_it_there_without_emptying_anything()
    {
        var moved = Table(Orders) with { Route = new TableRoute(Orders, Items, null) };

        var todo = For(Plan(moved), States(Streaming(Orders)));

        Assert.Equal([Orders], todo.Forgotten);
        Assert.Equal([(Orders, false)], Copies(todo));
    }

    [Fact]
    public void Should_leave_a_paused_table_alone_whatever_is_asked_for()
    {
        var paused = Table(Orders) with { Paused = true };

        Assert.True(For(Plan(paused), States()).IsEmpty);
        Assert.True(For(Plan(paused).WithOrder(Orders, 1, force: true), States(Stopped(Orders))).IsEmpty);
        Assert.True(For(Plan(paused with { Route = new TableRoute(Orders, Orders, ["id"]) }), States(Streaming(Orders))).IsEmpty);
    }

    [Fact]
    public void Should_carry_an_order_out_once()
    {
        var plan = Plan(Table(Orders)).WithOrder(Orders, 7, force: true);
        Assert.True(For(plan, States(Streaming(Orders)), done: [(Orders, 7)]).IsEmpty);
        Assert.Equal([(Orders, true)], Copies(For(plan, States(Streaming(Orders)), done: [(Orders, 6), (Items, 7)])));
    }

    [Fact]
    public void Should_not_try_a_refused_table_again_by_itself_but_on_order()
    {
        Assert.True(For(Plan(Table(Orders)), States(), refused: [Orders]).IsEmpty);
        Assert.Equal([(Orders, true)], Copies(For(Plan(Table(Orders)).WithOrder(Orders, 1, force: true), States(), refused: [Orders])));
    }

    [Fact]
    public void Should_forget_what_is_not_planned_any_more_and_keep_what_only_cannot_be_had_now()
    {
        var todo = For(Plan(Excluded(Orders), Faulty(Items)), States(Streaming(Orders), Streaming(Items), Streaming(new TableName("public", "gone"))));
        Assert.Equal(["public.gone", "public.orders"], todo.Forgotten.Select(static t => t.ToString()).Order());
        Assert.Empty(todo.Copies);
    }

    [Fact]
    public void Should_copy_nothing_that_has_no_route()
    {
        var plan = Plan(Excluded(Orders), Faulty(Items)).WithOrder(Orders, 1, force: true).WithOrder(Items, 1, force: true);
        Assert.True(For(plan, States()).IsEmpty);
    }

    static CopyPlan For(
        DestinationPlan plan, IReadOnlyDictionary<TableName, DestinationTable> states,
        HashSet<TableName>? refused = null, HashSet<(TableName, long)>? done = null) =>
        CopyPlan.For(plan, states, refused ?? [], done ?? []);

    static IEnumerable<(TableName, bool)> Copies(CopyPlan plan) => plan.Copies.Select(static c => (c.Table.Source, c.EmptyFirst));
}
