using System.Text.Json;
using Rosetta.Core.Pipelines;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Runtime;

namespace Rosetta.Api.Pipelines;

/// <summary>Puts what is asked for and what was reported together: pure.</summary>
static class PipelineViews
{
    /// <summary>A node reports about once a second. So much later nobody runs the pipeline, and what was reported of its progress is no longer true.</summary>
    public static readonly TimeSpan Silence = TimeSpan.FromSeconds(30);

    static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static PipelineAnswer ToAnswer(PipelineDefinition pipeline, PipelineStatusView? status)
    {
        var runtime = Runtime(pipeline.Status, status?.Runtime);
        return new PipelineAnswer(
            pipeline.Id, pipeline.Name, pipeline.Source.Id, pipeline.Status.ToName(), runtime,
            [.. pipeline.Destinations.Select(d => ToAnswer(d, status?.Destinations.GetValueOrDefault(d.Destination.Id), runtime.State == "STOPPED"))]);
    }

    public static RuntimeAnswer Runtime(PipelineStatus asked, RuntimeView? reported)
    {
        if (reported is null) return new RuntimeAnswer(asked == PipelineStatus.Start ? "STARTING" : "STOPPED");
        var silent = reported.Age > Silence;
        var runtime = new RuntimeAnswer(
            reported.State, reported.Node, reported.Since, reported.Restarts, reported.LastError, reported.Remedy, reported.Slot, reported.ReceivedLsn,
            reported.ConfirmedLsn, reported.WalRetainedBytes);
        return (asked, reported.State) switch
        {
            (PipelineStatus.Start, "STOPPED" or "STOPPING") => runtime with { State = "STARTING" },
            (PipelineStatus.Start, "RUNNING" or "DEGRADED" or "SNAPSHOTTING" or "STARTING" or "RETRYING") when silent => runtime with
            {
                State = "STARTING",
                LastError = "No node has reported on this pipeline for a while; it starts again when a node takes it over.",
                Remedy = "Look at GET /api/v1/cluster and at the nodes' logs.",
            },
            (PipelineStatus.Pause, not "STOPPED") => runtime with { State = silent ? "STOPPED" : "STOPPING" },
            _ => runtime,
        };
    }

    public static TableAnswer ToAnswer(TableView table) => new(
        table.TableName, table.Target, table.State, table.SnapshotRows, table.SnapshotRowsEstimated, table.RowsInserted, table.RowsUpdated, table.RowsDeleted,
        table.Error, table.Remedy)
    {
        SnapshotBytes = table.SnapshotBytes,
        SnapshotRowsPerSecond = table.SnapshotRowsPerSecond,
        SnapshotSecondsLeft = table.SnapshotSecondsLeft,
        SnapshotWaitsFor = table.SnapshotWaitsFor,
        LastResync = table.LastResync is { } json ? JsonSerializer.Deserialize<LastResyncAnswer>(json, Json) : null,
    };

    static PipelineDestinationAnswer ToAnswer(PipelineDestination attached, DestinationView? reported, bool stopped)
    {
        var (id, name, type) = (attached.Destination.Id, attached.Destination.Name, attached.Destination.Type.ToName());
        return reported is null
            ? new PipelineDestinationAnswer(
                id, name, type, stopped ? "PAUSED" : "SNAPSHOTTING", "DETACHED", null, null, null, null, 0, null, null, null, [])
            : new PipelineDestinationAnswer(
                id, name, type, stopped && reported.HealthStatus != "ERROR" ? "PAUSED" : reported.HealthStatus, stopped ? "DETACHED" : reported.Lane,
                reported.AppliedLsn, reported.LagBytes, reported.LagSeconds, reported.WalSize, reported.DlqCount, reported.LastSuccessTime, reported.LastError,
                reported.Remedy, [.. reported.Tables.Select(ToAnswer)])
            {
                Spill = reported.Spill is { } json ? JsonSerializer.Deserialize<SpillAnswer>(json, Json) : null,
            };
    }
}
