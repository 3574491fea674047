using Rosetta.Actors.Recovery;
using Rosetta.Actors.Replication;
using Rosetta.Actors.Spill;
using Rosetta.Core.Destinations;
using Rosetta.Core.Lanes;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Transforms.Rewriting;

namespace Rosetta.Actors.Destinations;

/// <summary>Everything one lane's program works with. Made by the pipeline for each of its destinations.</summary>
/// <param name="Opening">Identity for the destination; its start position is filled in when the source is ready.</param>
/// <param name="Readers">Tables copied at once.</param>
/// <param name="Stored">Told the position that the destination stores.</param>
/// <param name="DriftsStored">Told when the destination has stored that the plan's drifted tables stopped.</param>
/// <param name="ResyncDone">Told when an order to copy a table again has been carried out, or has failed for good.</param>
public sealed record LaneContext(
    long PipelineId,
    long DestinationId,
    string Name,
    IDestination Destination,
    DestinationOpening Opening,
    LaneHub Hub,
    Lane Lane,
    PlanBoard Plans,
    ILaneSource Source,
    DestinationStatus Status,
    LaneMetrics Metrics,
    GroupBounds Bounds,
    int Readers,
    TimeSpan DrainTimeout,
    Action<TableName, ResyncOrder, string?> ResyncDone,
    Action<Lsn> Stored,
    Action<DestinationPlan> DriftsStored)
{
    /// <summary>Size in bytes from which on a table's first copy lands range by range; a smaller one lands at once.</summary>
    public long RangedFrom { get; init; } = 128 << 20;

    /// <summary>How long the first copy may hold its snapshot; what is left then comes beside the stream.</summary>
    public TimeSpan SnapshotBudget { get; init; } = TimeSpan.FromHours(4);

    /// <summary>WAL that the slot may make the source keep while the first copy holds its snapshot, in bytes; past it what is left comes beside the stream. 0: any.</summary>
    public long SnapshotWal { get; init; }

    /// <summary>WAL that the slot makes the source keep, in bytes; null when it is not known.</summary>
    public Func<long?> Retained { get; init; } = static () => null;

    /// <summary>Keeps copies to the pipeline's limits; null: there are none.</summary>
    public CopyPace? Pace { get; init; }

    /// <summary>Where its parked changes are; null: none ever are.</summary>
    public LaneLetters? Letters { get; init; }

    /// <summary>Takes its changes when the source's WAL is to be let go; null: nothing does.</summary>
    public LaneSpill? Spill { get; init; }

    /// <summary>Rows of a chunk, at most.</summary>
    public int ChunkRows { get; init; } = 50_000;

    /// <summary>Tables already stopped for having lost changes at the source, by reason; each stops once.</summary>
    internal HashSet<(TableName Table, string Reason)> DriftsHandled { get; } = [];

    /// <summary>Told of a table that cannot be copied as it is: it is not tried again without an order, or another choice.</summary>
    internal Action<PlannedTable> Refused { get; init; } = static _ => { };

    /// <summary>Told which tables the destination has a state for, or may soon have: they stay in the publication.</summary>
    public Action<IReadOnlySet<TableName>> Holds { get; init; } = static _ => { };

    /// <summary>Figures of what is parked, for one run of the lane.</summary>
    internal ParkedMetrics MeasureParked(TimeProvider time) => new(Metrics.Pipeline, Name, time);

    /// <summary>Shows what a table's copy waits for; null: it goes on.</summary>
    internal void Waits(TableName table, string? reason) => Status.Change(table, t => t with { CopyWaitsFor = reason });

    /// <summary>The rows, no faster than the pipeline's limits allow.</summary>
    internal ICopySource Paced(TableName table, ICopySource source) => Pace is { } pace ? new PacedCopySource(source, pace, Lane, reason => Waits(table, reason)) : source;

    /// <summary>The transforms of its tables, for one run of the lane.</summary>
    internal LaneTransforms MakeTransforms() => new(
        Opening.Source,
        table => $"POST /api/v1/pipelines/{PipelineId}/destinations/{DestinationId}/tables/{Uri.EscapeDataString(table.ToString())}/resync (copies the table again)",
        (table, stop) => Status.Change(table, t => t with { State = TableState.Error, Error = stop.Describe(), Remedy = stop.Remedy }));
}
