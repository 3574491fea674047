using Rosetta.Actors.Cluster.Membership;

namespace Rosetta.Actors.Cluster.Downing;

/// <summary>
/// Judges unreachable members by their heartbeats in the config database. Pure, so it is tested without a cluster.
/// </summary>
/// <remarks>
/// Safe because decisions are taken one after the other under the database's lock and a node that is recorded as down decides nothing any
/// more: of two sides that lost sight of each other at most one can record the other. Which one is a matter of preference only (the larger
/// side, of two equal ones the one with the oldest member), with a grace after which the first one wins.
/// </remarks>
public static class DowningStrategy
{
    public static DowningDecision Decide(DowningView view)
    {
        var timings = view.Timings;
        var own = view.Rows.FirstOrDefault(row => row.Key.Address == view.Self.Address);
        if (own is null)
            return new DowningDecision.Wait("this node has no row in cluster_nodes yet");
        if (own.Key.Uid != view.Self.Uid)
            return new DowningDecision.StepDown("another process took over this node's address");
        if (own.State == NodeState.Down)
            return new DowningDecision.StepDown($"[{own.DownedBy}] took this node out of the cluster");

        var unreachable = view.Members.Where(m => m.UnreachableFor >= timings.StableAfter && m.Key != view.Self).ToList();
        if (unreachable.Count == 0)
            return new DowningDecision.Wait("no member has been unreachable for long enough");

        var rows = view.Rows.ToDictionary(row => row.Key);
        var follow = unreachable.Where(m => rows.GetValueOrDefault(m.Key)?.State == NodeState.Down).Select(m => m.Key).ToList();
        var rest = unreachable.Where(m => !follow.Contains(m.Key)).ToList();

        if (rest.Count > 0 && view.DatabaseAnsweredFor < timings.DatabaseSettledAfter)
            return FollowOr("the config database has just come back; heartbeats are not believed yet", follow);

        // No row of that incarnation: it left, or a restarted process replaced it. Either way it does not run.
        var silent = rest.Where(m => !IsFresh(rows.GetValueOrDefault(m.Key), timings)).Select(m => m.Key).ToList();
        var apart = rest.Where(m => !silent.Contains(m.Key)).ToList();
        if (silent.Count > 0)
            return new DowningDecision.Down(silent, follow, "unreachable, and silent in the config database");

        var cut = apart.Where(m => m.SeenSilent && m.UnreachableFor >= timings.PartitionStableAfter).ToList();
        if (cut.Count == 0)
            return FollowOr("unreachable members still beat in the config database", follow);

        var here = view.Members
            .Where(m => m.Key == view.Self || (m.UnreachableFor is null && IsFresh(rows.GetValueOrDefault(m.Key), timings)))
            .ToList();
        if (IsPreferred(here, cut))
            return new DowningDecision.Down([.. cut.Select(m => m.Key)], follow, "cut off, and this is the side that stays");
        if (cut.All(m => m.UnreachableFor >= timings.PartitionStableAfter + timings.PartitionGrace))
            return new DowningDecision.Down([.. cut.Select(m => m.Key)], follow, "cut off, and the side that should stay did not act");
        return FollowOr("cut off; the other side should stay and take this one out", follow);
    }

    static DowningDecision FollowOr(string reasonToWait, List<NodeKey> follow) =>
        follow.Count > 0
            ? new DowningDecision.Down([], follow, "taken out by another node")
            : new DowningDecision.Wait(reasonToWait);

    static bool IsFresh(NodeRow? row, DowningTimings timings) =>
        row is not null && row.State != NodeState.Down && row.HeartbeatAge < timings.HeartbeatStaleAfter;

    static bool IsPreferred(List<MemberView> here, List<MemberView> there)
    {
        if (here.Count != there.Count)
            return here.Count > there.Count;
        var oldest = here.Concat(there).OrderBy(m => m.Age).ThenBy(m => m.Key.Address, StringComparer.Ordinal).First();
        return here.Contains(oldest);
    }
}
