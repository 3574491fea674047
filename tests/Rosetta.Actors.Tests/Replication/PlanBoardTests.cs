using Rosetta.Actors.Replication;
using Rosetta.Actors.Tests.Destinations;
using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Xunit;
using static Rosetta.Actors.Tests.Destinations.Planned;

namespace Rosetta.Actors.Tests.Replication;

public sealed class PlanBoardTests
{
    readonly PlanBoard _board = new();

    [Fact]
    public void Should_say_which_destinations_have_another_plan()
    {
        Assert.Null(_board[1]);
        Assert.Equal([1L, 2L], Publish((1, Plan(Table(Orders))), (2, Plan())).Order());
        Assert.Empty(Publish((1, Plan(Table(Orders))), (2, Plan())));
        Assert.Equal([2L], Publish((1, Plan(Table(Orders))), (2, Plan(Table(Items)))));
        Assert.Equal([3L], Publish((1, Plan(Table(Orders))), (3, Plan())));
        Assert.Null(_board[2]);
        Assert.NotNull(_board[3]);
    }

    public static TheoryData<DestinationPlan> OtherPlans => new(
        Plan(Table(Orders)) with { CopyFirst = false },
        Plan(Table(Orders), Table(Items)),
        Plan(Table(Items)),
        Plan(Excluded(Orders)),
        Plan(Faulty(Orders)),
        Plan(Table(Orders) with { InsertOnly = true }),
        Plan(Table(Orders) with { Remedy = "another" }),
        Plan(Table(Orders) with { Route = new TableRoute(Orders, Items, null) }),
        Plan(Table(Orders) with { Route = new TableRoute(Orders, Orders, ["id"]) }),
        Plan(Table(Orders) with { Description = Table(Orders).Description! with { Oid = 2 } }),
        Plan(Table(Orders)).WithOrder(Orders, 1, true),
        Plan(Table(Orders)) with { Drifts = new Dictionary<TableName, string> { [Orders] = "left the publication" } });

    [Theory]
    [MemberData(nameof(OtherPlans))]
    public void Should_see_every_difference_that_has_an_effect(DestinationPlan other)
    {
        var plan = Plan(Table(Orders));
        Assert.False(plan.HasSameEffectAs(other));
        Assert.False(other.HasSameEffectAs(plan));
        Assert.True(other.HasSameEffectAs(other with { }));
    }

    [Fact]
    public void Should_take_another_size_of_a_table_for_the_same_plan() =>
        Assert.True(Plan(Table(Orders, 1)).HasSameEffectAs(Plan(Table(Orders, 1_000_000))));

    [Fact]
    public void Should_see_another_request_for_the_same_table()
    {
        var plan = Plan(Table(Orders)).WithOrder(Orders, 1, true);
        Assert.False(plan.HasSameEffectAs(plan.WithOrder(Orders, 2, true)));
        Assert.False(plan.HasSameEffectAs(plan.WithOrder(Orders, 1, false)));
    }

    IReadOnlyList<long> Publish(params (long Id, DestinationPlan Plan)[] plans) =>
        _board.Publish(plans.ToDictionary(static p => p.Id, static p => p.Plan));
}
