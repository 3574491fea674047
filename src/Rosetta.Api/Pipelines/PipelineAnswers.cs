using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Rosetta.Core.Positions;

namespace Rosetta.Api.Pipelines;

/// <summary>A pipeline in answers.</summary>
/// <param name="Status">What is asked for: START or PAUSE.</param>
/// <param name="Runtime">What is.</param>
/// <param name="Warnings">After a destination was attached: what works, but not in every case, with the SQL that mends it.</param>
public sealed record PipelineAnswer(
    long Id, string Name, long SourceId, string Status, RuntimeAnswer Runtime, IReadOnlyList<PipelineDestinationAnswer> Destinations,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Warnings = null)
{
    /// <summary>After a resync was asked for: GET /pipelines/{id}/requests/{request_id} tells how far it is.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? RequestId { get; init; }
}

/// <summary>How far something is that was asked of a pipeline.</summary>
/// <param name="Status">PENDING, EXECUTING, DONE or FAILED.</param>
/// <param name="Error">Why it failed, and what to do.</param>
public sealed record RequestAnswer(long RequestId, string Status, string? Error, DateTime? FinishedAt);

/// <summary>What a pipeline does. Before the first start: STOPPED, and nulls.</summary>
/// <param name="State">STOPPED, STOPPING, STARTING, ERROR, RETRYING, SNAPSHOTTING, DEGRADED or RUNNING.</param>
/// <param name="Node">Akka address of the node that runs it.</param>
/// <param name="Since">When it entered the state.</param>
/// <param name="Remedy">What to do about the error; null when fine.</param>
/// <param name="WalRetainedBytes">WAL that its slot holds at the source.</param>
public sealed record RuntimeAnswer(
    string State,
    string? Node = null,
    DateTime? Since = null,
    int? Restarts = null,
    string? LastError = null,
    string? Remedy = null,
    string? Slot = null,
    Lsn? ReceivedLsn = null,
    Lsn? ConfirmedLsn = null,
    long? WalRetainedBytes = null);

/// <summary>A destination of a pipeline in answers.</summary>
/// <param name="HealthStatus">HEALTHY, SNAPSHOTTING, LAGGING, RETRYING, SPILLING, RECOVERING, ERROR or PAUSED.</param>
/// <param name="Lane">Where it gets its changes from: ATTACHED, DETACHED, CATCHING_UP, SPILLING or DRAINING.</param>
/// <param name="AppliedLsn">
/// Exclusive: every change with a smaller commit LSN, of every table in STREAMING or INSERT_ONLY, is durable there. Null until the first snapshot is complete.
/// </param>
/// <param name="LagSeconds">0 when nothing is outstanding.</param>
/// <param name="WalSize">WAL that the slot holds at the source, in bytes.</param>
/// <param name="DlqCount">Changes that it has not applied: GET .../dlq shows them.</param>
public sealed record PipelineDestinationAnswer(
    long DestinationId,
    string Name,
    string Type,
    string HealthStatus,
    string Lane,
    Lsn? AppliedLsn,
    long? LagBytes,
    double? LagSeconds,
    long? WalSize,
    long DlqCount,
    DateTime? LastSuccessTime,
    string? LastError,
    string? Remedy,
    ImmutableArray<TableAnswer> Tables)
{
    /// <summary>Transactions in its spill log, which it still has to apply.</summary>
    public long SpilledTransactions => Spill?.Transactions ?? 0;

    /// <summary>The spill log's size as it is stored.</summary>
    public long SpilledBytes => Spill?.Bytes ?? 0;

    /// <summary>Its spill log; null while it has none.</summary>
    public SpillAnswer? Spill { get; init; }
}

/// <summary>What waits for a destination in its spill log.</summary>
/// <param name="Bytes">As they are stored, compressed.</param>
/// <param name="RawBytes">As they came.</param>
/// <param name="From">Where in the source's WAL it begins.</param>
/// <param name="Through">Where it ends; the slot is free to move up to there.</param>
/// <param name="Oldest">When its oldest part was written.</param>
/// <param name="WrittenPerSecond">Raw bytes.</param>
/// <param name="DrainedPerSecond">Raw bytes.</param>
/// <param name="SecondsLeft">Until it is empty; null while it is not getting emptier.</param>
/// <param name="Error">Why it cannot be written or read, or was given up.</param>
public sealed record SpillAnswer(
    long Transactions, long Bytes, long RawBytes, string? From, string? Through, DateTime? Oldest, double WrittenPerSecond, double DrainedPerSecond, double? SecondsLeft,
    string? Error, string? Remedy);

/// <summary>A table at a destination in answers.</summary>
/// <param name="State">PENDING, SNAPSHOTTING, CATCHING_UP, STREAMING, INSERT_ONLY, RESYNCING, PAUSED, PARKED, ERROR or EXCLUDED.</param>
public sealed record TableAnswer(
    string Table,
    string? Target,
    string State,
    long SnapshotRows,
    long? SnapshotRowsEstimated,
    long RowsInserted,
    long RowsUpdated,
    long RowsDeleted,
    string? Error,
    string? Remedy)
{
    /// <summary>Bytes of a copy that is under way, since this run of it began.</summary>
    public long SnapshotBytes { get; init; }

    /// <summary>Speed of a copy that is under way.</summary>
    public double? SnapshotRowsPerSecond { get; init; }

    /// <summary>What is left of it at that speed, by the source's estimate of its rows; null without one.</summary>
    public double? SnapshotSecondsLeft { get; init; }

    /// <summary>Why it does not go on at the moment; null when it does.</summary>
    public string? SnapshotWaitsFor { get; init; }

    /// <summary>What its last resync has read and written; null when the node that runs the pipeline has carried out none.</summary>
    public LastResyncAnswer? LastResync { get; init; }

    /// <summary>After a resync was asked for: GET /pipelines/{id}/requests/{request_id} tells how far it is.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? RequestId { get; init; }
}

/// <summary>What a table's last resync has read and written, since the node that carries it out took it up.</summary>
/// <param name="RequestId">The request that it answers.</param>
/// <param name="RowsCompared">Compared by digests, at both sides.</param>
/// <param name="RowsCarried">Taken from the source to the destination.</param>
public sealed record LastResyncAnswer(long RequestId, long RowsCompared, long RowsCarried, long Inserted, long Updated, long Deleted);

/// <summary>The choice of tables of a destination, as PUT takes it.</summary>
/// <param name="Resyncing">After PUT: tables of the started pipeline that are copied anew because of it.</param>
/// <param name="Warnings">After PUT: what works, but not in every case, with the SQL that mends it.</param>
public sealed record TableSyncsAnswer(
    IReadOnlyList<TableSyncBody> TableSyncs,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Resyncing = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Warnings = null);
