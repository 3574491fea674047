using Rosetta.Actors.Cluster.Bootstrap;
using Rosetta.Actors.Cluster.Membership;
using Xunit;

namespace Rosetta.Actors.Tests.Cluster.Bootstrap;

public sealed class BootstrapStrategyTests
{
    static readonly NodeKey Self = new("10.0.0.9:4053", 9);
    static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Should_found_alone_when_the_table_is_empty() => Assert.Empty(Founds([]));

    [Fact]
    public void Should_found_again_while_its_own_claim_holds() =>
        Assert.Empty(Founds([Row(Self.Address, uid: 9, claim: true)]));

    [Fact]
    public void Should_join_every_living_member_and_never_itself() =>
        Assert.Equal(["10.0.0.1:4053", "10.0.0.2:4053"], Joins(
        [
            Row("10.0.0.2:4053", NodeState.Up),
            Row("10.0.0.1:4053", NodeState.Up),
            Row(Self.Address, NodeState.Starting, uid: 9),
            Row("10.0.0.3:4053", NodeState.Up, age: 6),
            Row("10.0.0.4:4053", NodeState.Leaving),
            Row("10.0.0.5:4053", NodeState.Down),
        ]));

    [Fact]
    public void Should_join_a_member_rather_than_wait_for_a_founder() =>
        Assert.Equal(["10.0.0.1:4053"], Joins([Row("10.0.0.1:4053", NodeState.Up), Row("10.0.0.2:4053", claim: true)]));

    [Fact]
    public void Should_wait_for_a_living_founder() =>
        Assert.Equal("10.0.0.2:4053", Assert.IsType<BootstrapDecision.WaitForFounder>(Decide([Row("10.0.0.2:4053", claim: true)])).Founder);

    [Fact]
    public void Should_not_wait_for_a_founder_that_died() =>
        Assert.Equal(["10.0.0.2:4053"], Founds([Row("10.0.0.2:4053", claim: true, age: 8)]));

    [Fact]
    public void Should_found_when_others_only_start() =>
        Assert.Equal(["10.0.0.2:4053"], Founds([Row("10.0.0.2:4053")]));

    [Fact]
    public void Should_ask_nodes_with_an_old_heartbeat_before_founding_but_not_those_of_yesterday_or_taken_out() =>
        Assert.Equal(["10.0.0.1:4053"], Founds(
        [
            Row("10.0.0.1:4053", NodeState.Up, age: 200),
            Row("10.0.0.2:4053", NodeState.Up, age: 400),
            Row("10.0.0.3:4053", NodeState.Down, age: 20),
        ]));

    [Fact]
    public void Should_make_sure_that_the_predecessor_at_its_address_has_ended()
    {
        var predecessor = Row(Self.Address, NodeState.Up, uid: 8, age: 1);
        Assert.Equal(predecessor, Assert.IsType<BootstrapDecision.WatchIncumbent>(Decide([predecessor])).Incumbent);
    }

    [Fact]
    public void Should_refuse_an_address_on_which_another_node_still_beats()
    {
        var before = Row(Self.Address, NodeState.Up, uid: 8, age: 1);
        var after = before with { Heartbeat = before.Heartbeat.AddSeconds(2) };
        Assert.Equal(Self.Address, Assert.IsType<BootstrapDecision.RefuseAddress>(Decide([after], before)).Address);
    }

    [Fact]
    public void Should_keep_watching_when_the_predecessor_was_replaced_by_yet_another_process()
    {
        var before = Row(Self.Address, NodeState.Up, uid: 7, age: 1);
        var after = Row(Self.Address, NodeState.Starting, uid: 8, age: 0) with { Heartbeat = before.Heartbeat.AddSeconds(2) };
        Assert.IsType<BootstrapDecision.WatchIncumbent>(Decide([after], before));
    }

    [Theory]
    [InlineData(NodeState.Up, 6)]
    [InlineData(NodeState.Down, 0)]
    public void Should_take_over_its_address_from_a_node_that_is_silent_or_was_taken_out(NodeState state, int age) =>
        Assert.Empty(Founds([Row(Self.Address, state, uid: 8, age: age)]));

    static BootstrapDecision Decide(IReadOnlyList<NodeRow> rows, NodeRow? watched = null) =>
        BootstrapStrategy.Decide(new BootstrapView(Self, rows, watched, BootstrapTimings.Default));

    static IReadOnlyList<string> Joins(IReadOnlyList<NodeRow> rows) => Assert.IsType<BootstrapDecision.Join>(Decide(rows)).Seeds;

    static IReadOnlyList<string> Founds(IReadOnlyList<NodeRow> rows) => Assert.IsType<BootstrapDecision.Found>(Decide(rows)).Others;

    static NodeRow Row(string address, NodeState state = NodeState.Starting, int uid = 1, int age = 0, bool claim = false) =>
        new(new NodeKey(address, uid), state, TimeSpan.FromSeconds(age), Noon.AddSeconds(-age), claim);
}
