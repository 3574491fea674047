using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Store.Runtime;

namespace Rosetta.Actors.Destinations;

/// <summary>What is known of one table at one destination: the mirror that API and log show. Written by the lane, read by the reporter.</summary>
/// <param name="SnapshotRowsEstimated">Null when the source has no estimate: it has not analyzed the table yet.</param>
public sealed record TableProgress(
    TableName Table, TableName? Target, TableState State, long SnapshotRows, long? SnapshotRowsEstimated, RowCounts Rows, string? Error, string? Remedy)
{
    /// <summary>A table that catches up streams once its lane has passed this position: the snapshot it was copied from.</summary>
    public Lsn? Since { get; init; }

    /// <summary>Bytes of its copy so far.</summary>
    public long SnapshotBytes { get; init; }

    /// <summary>When rows of its copy were first seen in this run, and how many had been copied before.</summary>
    public (DateTimeOffset At, long Rows)? CopyBegan { get; init; }

    /// <summary>What its copy waits for; null: it goes on.</summary>
    public string? CopyWaitsFor { get; init; }

    /// <summary>What its last resync has read and written so far; null when there was none since this node took it up.</summary>
    public ResyncReport? LastResync { get; init; }

    /// <summary>The source's table has no replica identity.</summary>
    public bool InsertOnly { get; init; }

    /// <summary>How its copy goes at a moment; null when it is not being copied.</summary>
    public CopyReport? CopyAt(DateTimeOffset now)
    {
        if (State is not (TableState.Snapshotting or TableState.Resyncing))
            return null;
        var speed = CopyBegan is { } began && now > began.At && SnapshotRows > began.Rows ? (SnapshotRows - began.Rows) / (now - began.At).TotalSeconds : (double?)null;
        return new CopyReport(
            SnapshotBytes, speed is { } rows ? Math.Round(rows, 1) : null,
            speed is > 0 && SnapshotRowsEstimated is { } all && all > SnapshotRows ? Math.Round((all - SnapshotRows) / speed.Value, 1) : null, CopyWaitsFor);
    }

    /// <summary>The state when the lane stands at <paramref name="passed"/>.</summary>
    public TableState StateAt(Lsn passed) => State switch
    {
        TableState.CatchingUp when Since is { } since && passed >= since => InsertOnly ? TableState.InsertOnly : TableState.Streaming,
        _ => State,
    };

    /// <param name="known">What the destination has of it; null for nothing, or not known yet.</param>
    /// <param name="passed">Where the lane stands.</param>
    public static TableState StateOf(PlannedTable table, DestinationTable? known, Lsn passed) => table switch
    {
        { Excluded: true } => TableState.Excluded,
        { Paused: true } => TableState.Paused,
        { Error: not null } => TableState.Error,
        _ when known?.Stop is not null => TableState.Error,
        _ when known?.Since is null => TableState.Pending,
        _ when known.Copying is { } copying => copying.Replaces ? TableState.Resyncing : TableState.Snapshotting,
        _ when known.Since > passed => TableState.CatchingUp,
        { InsertOnly: true } => TableState.InsertOnly,
        _ => TableState.Streaming,
    };

    public static TableProgress Of(PlannedTable planned, TableState state) => new(
        planned.Source, planned.Route?.Target, state, 0, planned.Description?.EstimatedRows is { } rows and >= 0 ? rows : null, default, planned.Error, planned.Remedy)
    {
        InsertOnly = planned.InsertOnly,
    };
}
