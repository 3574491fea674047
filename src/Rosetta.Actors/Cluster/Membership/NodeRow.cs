namespace Rosetta.Actors.Cluster.Membership;

/// <summary>A row of <c>cluster_nodes</c>, with its ages by the database's clock.</summary>
/// <param name="HeartbeatAge">Time since the node's last heartbeat.</param>
/// <param name="Heartbeat">The heartbeat itself (database clock), only to be compared with an earlier reading of the same row.</param>
/// <param name="FounderClaim">True while the node may found a cluster and the others wait for it.</param>
public sealed record NodeRow(
    NodeKey Key, NodeState State, TimeSpan HeartbeatAge, DateTimeOffset Heartbeat, bool FounderClaim, string? DownedBy = null);
