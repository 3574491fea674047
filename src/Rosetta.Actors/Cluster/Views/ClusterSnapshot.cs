namespace Rosetta.Actors.Cluster.Views;

/// <summary>The cluster as one node sees it: the answer of <c>GET /cluster</c>.</summary>
/// <param name="Leader"><c>host:port</c> of the leader, null while there is none.</param>
/// <param name="Shards">Where each pipeline runs, by pipeline id.</param>
/// <param name="SilentRegions">Members whose pipelines could not be asked in time; their pipelines are missing above.</param>
public sealed record ClusterSnapshot(
    IReadOnlyList<ClusterMember> Members, string? Leader, IReadOnlyList<PipelineShard> Shards, IReadOnlyList<string> SilentRegions);

/// <param name="Address"><c>host:port</c>, as the commands take it.</param>
/// <param name="AkkaAddress">The full address, as in a pipeline's <c>runtime.node</c>.</param>
/// <param name="Status">Akka's status in lower case: <c>joining, weaklyup, up, leaving, exiting, down, removed</c>.</param>
/// <param name="Pipelines">Ids of the pipelines that run there.</param>
public sealed record ClusterMember(
    string Address, string AkkaAddress, IReadOnlyList<string> Roles, string Status, bool Reachable, string Version,
    IReadOnlyList<long> Pipelines, bool IsSelf);

/// <param name="Address"><c>host:port</c> of the member that hosts the shard.</param>
/// <param name="Running">False when the shard is allocated there but its pipeline has not been started (again).</param>
public sealed record PipelineShard(long PipelineId, string Address, bool Running);
