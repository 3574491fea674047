using System.Text.Json.Serialization;
using Rosetta.Actors.Backfills;
using Rosetta.Actors.Cluster.Serialization;

namespace Rosetta.Actors.Pipelines;

/// <summary>The manifests of the messages that cross nodes, or the time between them (journals). Never renamed, never reused.</summary>
public static class PipelineWireMessages
{
    public static WireMessages All { get; } = new(
    [
        new WireMessage("per", PipelineJson.Default.EnsureRunning),
        new WireMessage("pes", PipelineJson.Default.EnsureStopped),
        new WireMessage("plr", PipelineJson.Default.LookForRequests),
        new WireMessage("bfs", PipelineJson.Default.Started),
        new WireMessage("bfr", PipelineJson.Default.Resumed),
        new WireMessage("bfe", PipelineJson.Default.Ended),
    ]);
}

[JsonSerializable(typeof(PipelineCommands.EnsureRunning))]
[JsonSerializable(typeof(PipelineCommands.EnsureStopped))]
[JsonSerializable(typeof(PipelineCommands.LookForRequests))]
[JsonSerializable(typeof(BackfillEvents.Started))]
[JsonSerializable(typeof(BackfillEvents.Resumed))]
[JsonSerializable(typeof(BackfillEvents.Ended))]
sealed partial class PipelineJson : JsonSerializerContext;
