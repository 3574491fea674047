using Rosetta.Actors.Destinations;
using Rosetta.Actors.Replication;
using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Xunit;
using static Rosetta.Actors.Tests.Destinations.Planned;

namespace Rosetta.Actors.Tests.Destinations;

public sealed class WantedCopiesTests
{
    static readonly CopyingState HalfWay = new(["50"], false, Replaces: true);

    [Fact]
    public void Should_leave_a_first_copy_to_one_snapshot_of_all() =>
        Assert.Empty(Of(Plan(Table(Orders), Table(Items)), States()));

    [Fact]
    public void Should_copy_a_table_that_joins_others_beside_the_stream()
    {
        var wanted = Assert.Single(Of(Plan(Table(Orders), Table(Items)), States(Streaming(Items))));
        Assert.Equal((Orders, false, true), (wanted.Table.Source, wanted.Replace, wanted.Restart));
        Assert.Null(wanted.Order);
    }

    [Fact]
    public void Should_carry_an_order_out_beside_the_stream_although_nothing_has_come_yet()
    {
        var plan = Plan(Table(Orders)).WithOrder(Orders, 7, force: false);
        var wanted = Assert.Single(Of(plan, States()));
        Assert.Equal((Orders, true, (long?)7), (wanted.Table.Source, wanted.Replace, wanted.Order?.RequestId));
        Assert.Empty(Of(plan, States(), done: [(Orders, 7)]));
    }

    [Fact]
    public void Should_go_on_with_a_copy_that_was_cut_and_begin_anew_one_that_is_made_otherwise()
    {
        var half = Streaming(Orders) with { Copying = HalfWay };
        var goesOn = Assert.Single(Of(Plan(Table(Orders)), States(half)));
        Assert.Equal((true, false), (goesOn.Replace, goesOn.Restart));

        var chosen = Table(Orders) with { Route = new TableRoute(Orders, Orders, ["id"]) };
        var anew = Assert.Single(Of(Plan(chosen), States(half)));
        Assert.Equal((true, true), (anew.Replace, anew.Restart));
    }

    [Fact]
    public void Should_not_take_a_table_in_chunks_that_has_no_key_or_turned_out_not_to_fit_or_is_paused()
    {
        var keyless = Table(Orders) with { Description = Table(Orders).Description! with { PrimaryKey = [] } };
        Assert.Empty(Of(Plan(keyless, Table(Items)), States(Streaming(Items))));
        Assert.Empty(Of(Plan(Table(Orders), Table(Items)), States(Streaming(Items)), unfit: [Orders]));
        Assert.Empty(Of(Plan(Table(Orders) with { Paused = true }), States(Streaming(Orders) with { Copying = HalfWay })));
    }

    [Fact]
    public void Should_not_mix_rows_of_two_transforms_in_chunks()
    {
        var filtered = Table(Orders) with { Route = new TableRoute(Orders, Orders, null) { Transform = new TransformChoice("n > 1", null) } };
        Assert.Empty(Of(Plan(filtered), States(Streaming(Orders))));
        Assert.Single(Of(Plan(filtered).WithOrder(Orders, 1, force: true), States(Streaming(Orders) with { Transform = filtered.Route!.Fingerprint })));
    }

    static List<WantedCopy> Of(DestinationPlan plan, Dictionary<TableName, DestinationTable> states, HashSet<(TableName, long)>? done = null, HashSet<TableName>? unfit = null) =>
        WantedCopies.Of(plan, states, CopyPlan.For(plan, states, new HashSet<TableName>(), done ?? []), done ?? [], (unfit ?? []).Contains);
}
