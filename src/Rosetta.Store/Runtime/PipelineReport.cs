using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Store.Runtime;

/// <summary>What a pipeline's node says about it, about once a second and at every change of state: everything the API shows as live.</summary>
/// <param name="Node">Akka address of the node.</param>
/// <param name="Since">When <paramref name="State"/> was entered.</param>
/// <param name="WalRetainedBytes">WAL the slot holds at the source; null when not known.</param>
public sealed record PipelineReport(
    long PipelineId,
    long Epoch,
    PipelineState State,
    string? Node,
    DateTimeOffset Since,
    int Restarts,
    string? LastError,
    string? Remedy,
    string? Slot,
    Lsn? ReceivedLsn,
    Lsn? ConfirmedLsn,
    long? WalRetainedBytes,
    IReadOnlyList<DestinationReport> Destinations);

/// <summary>One destination of the report. One that the report does not name keeps what was reported before.</summary>
/// <param name="AppliedLsn">Null: not known now; what was reported before stays (it never goes back).</param>
/// <param name="LastSuccessTime">Null: what was reported before stays.</param>
/// <param name="Tables">Null: what was reported before stays. Otherwise the whole list.</param>
public sealed record DestinationReport(
    long DestinationId,
    DestinationHealth Health,
    LaneState Lane,
    long? WalSize,
    Lsn? AppliedLsn,
    long? LagBytes,
    double? LagSeconds,
    DateTimeOffset? LastSuccessTime,
    string? LastError,
    string? Remedy,
    IReadOnlyList<TableReport>? Tables)
{
    /// <summary>Changes that are parked there; null: what was reported before stays.</summary>
    public long? DlqCount { get; init; }

    /// <summary>Null: nothing is spilled.</summary>
    public SpillReport? Spill { get; init; }
}

/// <summary>A destination's spill log.</summary>
/// <param name="Transactions">That it still has to apply.</param>
/// <param name="Bytes">As they are stored.</param>
/// <param name="RawBytes">As they came.</param>
/// <param name="From">Where it begins; null while it has nothing.</param>
/// <param name="Through">Where it ends.</param>
/// <param name="Oldest">When its oldest part was written.</param>
/// <param name="WrittenPerSecond">Raw bytes, over the last seconds.</param>
/// <param name="DrainedPerSecond">Raw bytes, over the last seconds.</param>
/// <param name="SecondsLeft">Until it is empty; null when it is not getting emptier.</param>
/// <param name="Error">Why it cannot be written or read, or was given up; null when it is fine.</param>
public sealed record SpillReport(
    long Transactions, long Bytes, long RawBytes, Lsn? From, Lsn? Through, DateTimeOffset? Oldest, double WrittenPerSecond, double DrainedPerSecond, double? SecondsLeft,
    string? Error, string? Remedy);

/// <param name="SnapshotRowsEstimated">Null when the source has no estimate.</param>
public sealed record TableReport(
    TableName Table,
    TableName? Target,
    TableState State,
    long SnapshotRows,
    long? SnapshotRowsEstimated,
    long RowsInserted,
    long RowsUpdated,
    long RowsDeleted,
    string? Error,
    string? Remedy)
{
    /// <summary>How its copy goes; null when it is not being copied.</summary>
    public CopyReport? Copy { get; init; }

    /// <summary>Null when this node has carried out none.</summary>
    public ResyncReport? LastResync { get; init; }
}

/// <summary>What a table's last resync has read and written, since the node that carries it out took it up.</summary>
/// <param name="RequestId">The request that it answers.</param>
/// <param name="RowsCompared">By digests, at both sides.</param>
/// <param name="RowsCarried">Taken from the source to the destination.</param>
public sealed record ResyncReport(long RequestId, long RowsCompared, long RowsCarried, long Inserted, long Updated, long Deleted);

/// <summary>How the copy of a table goes.</summary>
/// <param name="Bytes">Of its rows as they come from the source, since this run of it began.</param>
/// <param name="RowsPerSecond">Since this run of it began; null before there is anything to tell.</param>
/// <param name="SecondsLeft">By the estimate of the table's rows; null without one.</param>
/// <param name="WaitsFor">Why it does not go on at the moment; null when it does.</param>
public sealed record CopyReport(long Bytes, double? RowsPerSecond, double? SecondsLeft, string? WaitsFor);
