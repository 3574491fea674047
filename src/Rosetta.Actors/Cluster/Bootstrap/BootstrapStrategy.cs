using Rosetta.Actors.Cluster.Membership;

namespace Rosetta.Actors.Cluster.Bootstrap;

/// <summary>
/// How a node joins, decided from <c>cluster_nodes</c> alone. Called under the database's lock, so of nodes started at the same instant
/// one becomes the founder and the others see its claim.
/// </summary>
public static class BootstrapStrategy
{
    public static BootstrapDecision Decide(BootstrapView view)
    {
        var incumbent = view.Rows.FirstOrDefault(row => row.Key.Address == view.Self.Address && row.Key.Uid != view.Self.Uid);
        if (incumbent is not null && incumbent.State != NodeState.Down && IsFresh(incumbent, view))
            return IsSameIncarnation(incumbent, view.WatchedIncumbent) && incumbent.Heartbeat > view.WatchedIncumbent!.Heartbeat
                ? new BootstrapDecision.RefuseAddress(view.Self.Address)
                : new BootstrapDecision.WatchIncumbent(incumbent);

        var peers = view.Rows.Where(row => row.Key.Address != view.Self.Address && row.State != NodeState.Down).ToList();

        var up = peers.Where(row => row.State == NodeState.Up && IsFresh(row, view)).Select(row => row.Key.Address).Order().ToList();
        if (up.Count > 0)
            return new BootstrapDecision.Join(up);

        // A claim counts only as long as its owner lives.
        var founder = peers.FirstOrDefault(row => row.FounderClaim && IsFresh(row, view));
        if (founder is not null)
            return new BootstrapDecision.WaitForFounder(founder.Key.Address);

        return new BootstrapDecision.Found(
            peers.Where(row => row.HeartbeatAge <= view.Timings.RememberFor).Select(row => row.Key.Address).Order().ToList());
    }

    static bool IsFresh(NodeRow row, BootstrapView view) => row.HeartbeatAge <= view.Timings.FreshFor;

    static bool IsSameIncarnation(NodeRow row, NodeRow? watched) => watched is not null && watched.Key == row.Key;
}
