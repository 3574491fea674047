using System.Text.Json.Serialization;
using Rosetta.Actors.Cluster.Serialization;

namespace Rosetta.Actors.Pipelines;

/// <summary>The manifests of the messages that cross nodes. Never renamed, never reused.</summary>
public static class PipelineWireMessages
{
    public static WireMessages All { get; } = new(
    [
        new WireMessage("per", PipelineJson.Default.EnsureRunning),
        new WireMessage("pes", PipelineJson.Default.EnsureStopped),
        new WireMessage("plr", PipelineJson.Default.LookForRequests),
    ]);
}

[JsonSerializable(typeof(PipelineCommands.EnsureRunning))]
[JsonSerializable(typeof(PipelineCommands.EnsureStopped))]
[JsonSerializable(typeof(PipelineCommands.LookForRequests))]
sealed partial class PipelineJson : JsonSerializerContext;
