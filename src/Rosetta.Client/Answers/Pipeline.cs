namespace Rosetta.Client.Answers;

/// <summary>A pipeline: what is asked of it (<c>Status</c>: START or PAUSE), and what it does (<c>Runtime</c>).</summary>
public sealed record Pipeline(
    long Id, string Name, long SourceId, string Status, PipelineRuntime Runtime, IReadOnlyList<PipelineDestination> Destinations)
{
    /// <summary>After a resync was asked for.</summary>
    public long? RequestId { get; init; }
}

/// <summary>How far something is that was asked of a pipeline.</summary>
/// <param name="Status">PENDING, EXECUTING, DONE or FAILED.</param>
public sealed record PipelineRequest(long RequestId, string Status, string? Error, DateTimeOffset? FinishedAt)
{
    public bool IsOpen => Status is "PENDING" or "EXECUTING";
}

/// <summary>What a pipeline is doing. Everything but the state is null before the first start.</summary>
public sealed record PipelineRuntime(
    string State,
    string? Node,
    DateTimeOffset? Since,
    int? Restarts,
    string? LastError,
    string? Remedy,
    string? Slot,
    string? ReceivedLsn,
    string? ConfirmedLsn,
    long? WalRetainedBytes);

/// <summary>A destination of a pipeline.</summary>
/// <param name="AppliedLsn">Exclusive; null until its first snapshot is complete.</param>
/// <param name="Lane">Where it gets its changes from: ATTACHED, DETACHED, CATCHING_UP, ...</param>
public sealed record PipelineDestination(
    long DestinationId,
    string Name,
    string Type,
    string HealthStatus,
    string? Lane,
    string? AppliedLsn,
    long? LagBytes,
    double? LagSeconds,
    long? DlqCount,
    DateTimeOffset? LastSuccessTime,
    string? LastError,
    string? Remedy,
    IReadOnlyList<DestinationTable>? Tables)
{
    /// <summary>Its spill log; null while it has none.</summary>
    public DestinationSpill? Spill { get; init; }
}

/// <summary>What waits for a destination in its spill log.</summary>
/// <param name="Bytes">As they are stored, compressed.</param>
/// <param name="RawBytes">As they came.</param>
/// <param name="SecondsLeft">Until it is empty; null while it is not getting emptier.</param>
/// <param name="Error">Why it cannot be written or read, or was given up.</param>
public sealed record DestinationSpill(
    long Transactions, long Bytes, long RawBytes, string? From, string? Through, DateTimeOffset? Oldest, double WrittenPerSecond, double DrainedPerSecond, double? SecondsLeft,
    string? Error, string? Remedy);

/// <summary>A table at a destination.</summary>
public sealed record DestinationTable(
    string Table,
    string? Target,
    string State,
    long? SnapshotRows,
    long? SnapshotRowsEstimated,
    long? RowsInserted,
    long? RowsUpdated,
    long? RowsDeleted,
    string? Error,
    string? Remedy)
{
    /// <summary>Bytes of a copy that is under way, since this run of it began.</summary>
    public long? SnapshotBytes { get; init; }

    /// <summary>Speed of a copy that is under way.</summary>
    public double? SnapshotRowsPerSecond { get; init; }

    /// <summary>What is left of it at that speed, by the source's estimate of its rows.</summary>
    public double? SnapshotSecondsLeft { get; init; }

    /// <summary>Why it does not go on at the moment.</summary>
    public string? SnapshotWaitsFor { get; init; }

    /// <summary>What its last resync has read and written.</summary>
    public LastResync? LastResync { get; init; }

    /// <summary>After a resync was asked for.</summary>
    public long? RequestId { get; init; }

    /// <summary>Changed rows applied since the pipeline's node started counting.</summary>
    public long RowsApplied => (RowsInserted ?? 0) + (RowsUpdated ?? 0) + (RowsDeleted ?? 0);
}

/// <summary>What a table's last resync has read and written, since the node that carries it out took it up.</summary>
public sealed record LastResync(long RequestId, long RowsCompared, long RowsCarried, long Inserted, long Updated, long Deleted);
