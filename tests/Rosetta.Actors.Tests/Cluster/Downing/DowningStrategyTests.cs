using Rosetta.Actors.Cluster.Downing;
using Rosetta.Actors.Cluster.Membership;
using Xunit;

namespace Rosetta.Actors.Tests.Cluster.Downing;

public sealed class DowningStrategyTests
{
    static readonly DowningTimings Timings = new(
        StableAfter: TimeSpan.FromSeconds(3), HeartbeatStaleAfter: TimeSpan.FromSeconds(4), PartitionStableAfter: TimeSpan.FromSeconds(10),
        PartitionGrace: TimeSpan.FromSeconds(10), DatabaseSettledAfter: TimeSpan.FromSeconds(6));

    [Theory]
    [InlineData(1, 2)]
    [InlineData(2, 1)]
    public void Should_take_out_the_dead_one_of_two_nodes_whichever_it_is(int alive, int dead)
    {
        var decision = Downs(Decide(alive, [Member(alive), Member(dead, unreachable: 3)], [Row(alive), Row(dead, age: 8)]));
        Assert.Equal([Key(dead)], decision.Mark);
    }

    [Fact]
    public void Should_take_out_several_dead_nodes_at_once_even_the_majority()
    {
        var decision = Downs(Decide(3, [Member(1, 4), Member(2, 5), Member(3)], [Row(1, age: 9), Row(2, age: 9), Row(3)]));
        Assert.Equal([Key(1), Key(2)], decision.Mark);
    }

    [Fact]
    public void Should_wait_until_a_member_was_unreachable_for_long_enough() =>
        Assert.IsType<DowningDecision.Wait>(Decide(1, [Member(1), Member(2, unreachable: 2.9)], [Row(1), Row(2, age: 8)]));

    [Fact]
    public void Should_not_take_out_a_busy_member_that_still_beats() =>
        Assert.IsType<DowningDecision.Wait>(Decide(1, [Member(1), Member(2, unreachable: 9, silent: true)], [Row(1), Row(2, age: 3.9)]));

    [Fact]
    public void Should_take_out_an_incarnation_that_has_no_row_any_more() =>
        Assert.Equal([Key(2)], Downs(Decide(1, [Member(1), Member(2, unreachable: 3)], [Row(1)])).Mark);

    [Fact]
    public void Should_take_out_an_incarnation_that_was_replaced_at_its_address()
    {
        var replaced = Row(2) with { Key = new NodeKey(Key(2).Address, 77) };
        Assert.Equal([Key(2)], Downs(Decide(1, [Member(1), Member(2, unreachable: 3)], [Row(1), replaced])).Mark);
    }

    [Fact]
    public void Should_not_believe_old_heartbeats_when_the_database_has_just_come_back() =>
        Assert.IsType<DowningDecision.Wait>(
            Decide(1, [Member(1), Member(2, unreachable: 60)], [Row(1), Row(2, age: 60)], databaseAnsweredFor: 5.9));

    [Fact]
    public void Should_follow_a_record_at_once_also_when_the_database_has_just_come_back()
    {
        var decision = Downs(Decide(1, [Member(1), Member(2, unreachable: 3)], [Row(1), Row(2, state: NodeState.Down)], databaseAnsweredFor: 1));
        Assert.Empty(decision.Mark);
        Assert.Equal([Key(2)], decision.Follow);
    }

    [Fact]
    public void Should_step_down_when_it_finds_itself_taken_out() =>
        Assert.Contains("node2", Assert.IsType<DowningDecision.StepDown>(
            Decide(1, [Member(1), Member(2, unreachable: 3)], [Row(1, state: NodeState.Down, by: "node2:4053"), Row(2)])).Reason,
            StringComparison.Ordinal);

    [Fact]
    public void Should_step_down_when_another_process_has_its_address() =>
        Assert.IsType<DowningDecision.StepDown>(Decide(1, [Member(1)], [Row(1) with { Key = new NodeKey(Key(1).Address, 77) }]));

    [Fact]
    public void Should_wait_while_its_own_row_is_missing() =>
        Assert.IsType<DowningDecision.Wait>(Decide(1, [Member(1), Member(2, unreachable: 60)], [Row(2, age: 60)]));

    [Fact]
    public void Should_keep_the_oldest_of_two_nodes_that_both_live()
    {
        NodeRow[] rows = [Row(1), Row(2)];
        Assert.Equal([Key(2)], Downs(Decide(1, [Member(1), Member(2, unreachable: 10, silent: true)], rows)).Mark);
        Assert.IsType<DowningDecision.Wait>(Decide(2, [Member(1, unreachable: 10, silent: true), Member(2)], rows));
    }

    [Fact]
    public void Should_keep_the_larger_side_even_against_the_oldest()
    {
        NodeRow[] rows = [Row(1), Row(2), Row(3)];
        Assert.Equal([Key(1)], Downs(Decide(2, [Member(1, 10, silent: true), Member(2), Member(3)], rows)).Mark);
        Assert.IsType<DowningDecision.Wait>(Decide(1, [Member(1), Member(2, 10, silent: true), Member(3, 10, silent: true)], rows));
    }

    [Fact]
    public void Should_let_the_lesser_side_win_when_the_other_does_not_act() =>
        Assert.Equal([Key(1)], Downs(Decide(2, [Member(1, unreachable: 20, silent: true), Member(2)], [Row(1), Row(2)])).Mark);

    [Fact]
    public void Should_leave_a_quarrel_of_others_to_them() =>
        // Nodes 1 and 2 do not see each other, node 3 sees both: only what it misses itself may it take out.
        Assert.IsType<DowningDecision.Wait>(Decide(3, [Member(1, 30), Member(2, 30), Member(3)], [Row(1), Row(2), Row(3)]));

    [Fact]
    public void Should_take_out_the_dead_first_and_judge_the_cut_off_afterwards()
    {
        var decision = Downs(Decide(1, [Member(1), Member(2, 30, silent: true), Member(3, 30)], [Row(1), Row(2), Row(3, age: 30)]));
        Assert.Equal([Key(3)], decision.Mark);
    }

    [Fact]
    public void Should_leave_exactly_one_side_in_every_partition_of_up_to_five_nodes()
    {
        // Each node may be in any of three groups; groups see only themselves. Nodes decide one after the other, in every rotation of
        // order, time passes, and what one records the next one reads.
        for (var count = 2; count <= 5; count++)
            for (var split = 0; split < Math.Pow(3, count); split++)
            {
                var group = Enumerable.Range(0, count).Select(i => split / (int)Math.Pow(3, i) % 3).ToArray();
                for (var first = 0; first < count; first++)
                {
                    var down = new HashSet<int>();
                    for (var seconds = 10; seconds <= 30; seconds += 5)
                        for (var turn = 0; turn < count; turn++)
                        {
                            var node = (first + turn) % count;
                            var members = Enumerable.Range(0, count).Select(other =>
                                Member(other, group[other] == group[node] ? null : seconds, silent: group[other] != group[node])).ToList();
                            var rows = Enumerable.Range(0, count).Select(other =>
                                Row(other, state: down.Contains(other) ? NodeState.Down : NodeState.Up)).ToList();
                            if (Decide(node, members, rows) is DowningDecision.Down decision)
                                foreach (var key in decision.Mark)
                                    down.Add(key.Uid);
                        }
                    var left = Enumerable.Range(0, count).Where(node => !down.Contains(node)).Select(node => group[node]).Distinct().ToList();
                    Assert.True(left.Count == 1, $"{left.Count} sides left of groups {string.Join("", group)} when node {first} came first");
                }
            }
    }

    static DowningDecision Decide(
        int self, IReadOnlyList<MemberView> members, IReadOnlyList<NodeRow> rows, double databaseAnsweredFor = 60) =>
        DowningStrategy.Decide(new DowningView(Key(self), members, rows, TimeSpan.FromSeconds(databaseAnsweredFor), Timings));

    static DowningDecision.Down Downs(DowningDecision decision) => Assert.IsType<DowningDecision.Down>(decision);

    static NodeKey Key(int node) => new($"node{node}:4053", node);

    static MemberView Member(int node, double? unreachable = null, bool silent = false) =>
        new(Key(node), node, unreachable is { } seconds ? TimeSpan.FromSeconds(seconds) : null, silent);

    static NodeRow Row(int node, double age = 0.5, NodeState state = NodeState.Up, string? by = null) =>
        new(Key(node), state, TimeSpan.FromSeconds(age), DateTimeOffset.UnixEpoch, false, by);
}
