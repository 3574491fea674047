using Rosetta.Actors.Cluster.Membership;

namespace Rosetta.Actors.Cluster.Downing;

/// <summary>A member of the cluster as this node sees it.</summary>
/// <param name="Age">How many members are older, by Akka's order of age, which is the same on every node; 0 is the oldest.</param>
/// <param name="UnreachableFor">How long it has been unreachable without interruption; null when it is reachable.</param>
/// <param name="SeenSilent">True when this node's own failure detector misses it, not only some other node's.</param>
public sealed record MemberView(NodeKey Key, int Age, TimeSpan? UnreachableFor = null, bool SeenSilent = false);

/// <summary>What is known when unreachable members are judged.</summary>
/// <param name="Members">All members that are not down, this node included.</param>
/// <param name="Rows"><c>cluster_nodes</c>, read under the lock under which the decision is recorded.</param>
/// <param name="DatabaseAnsweredFor">How long this node's heartbeats have succeeded without interruption.</param>
public sealed record DowningView(
    NodeKey Self, IReadOnlyList<MemberView> Members, IReadOnlyList<NodeRow> Rows, TimeSpan DatabaseAnsweredFor, DowningTimings Timings);
