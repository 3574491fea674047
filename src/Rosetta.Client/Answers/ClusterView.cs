using System.Text.Json;

namespace Rosetta.Client.Answers;

/// <summary>The cluster as the answering node sees it.</summary>
public sealed record ClusterView(IReadOnlyList<ClusterMember> Members, string? Leader);

/// <summary>A node of the cluster.</summary>
/// <param name="Address"><c>host:port</c>, as leave and down want it.</param>
/// <param name="Node">e.g. <c>akka.tcp://rosetta@127.0.0.1:4053</c>.</param>
/// <param name="Pipelines">The pipelines it runs: their number, or a list of them.</param>
public sealed record ClusterMember(
    string Address, string? Node, IReadOnlyList<string>? Roles, string Status, bool? Reachable, string? Version, JsonElement? Pipelines)
{
    public int PipelineCount => Pipelines switch
    {
        { ValueKind: JsonValueKind.Array } list => list.GetArrayLength(),
        { ValueKind: JsonValueKind.Number } number => number.GetInt32(),
        _ => 0
    };
}
