namespace Rosetta.Actors.Cluster.Membership;

/// <summary>What a node writes about itself in <c>cluster_nodes</c>.</summary>
/// <param name="Version">Version of the software, as shown by <c>GET /cluster</c>.</param>
public sealed record NodeDescription(NodeKey Key, IReadOnlyCollection<string> Roles, string Version);
