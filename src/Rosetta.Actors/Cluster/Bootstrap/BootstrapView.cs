using Rosetta.Actors.Cluster.Membership;

namespace Rosetta.Actors.Cluster.Bootstrap;

/// <summary>What a node knows when it decides how to join: all rows of <c>cluster_nodes</c>, read under the lock.</summary>
/// <param name="WatchedIncumbent">The row of another incarnation at this node's address as it was read before, if there was one.</param>
public sealed record BootstrapView(NodeKey Self, IReadOnlyList<NodeRow> Rows, NodeRow? WatchedIncumbent, BootstrapTimings Timings);

/// <param name="FreshFor">A heartbeat not older than this is a living node's.</param>
/// <param name="RememberFor">Nodes silent for longer than this are not asked before founding.</param>
public sealed record BootstrapTimings(TimeSpan FreshFor, TimeSpan RememberFor)
{
    public static BootstrapTimings Default { get; } = new(TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(5));
}
