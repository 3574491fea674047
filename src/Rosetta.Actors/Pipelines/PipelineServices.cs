using Rosetta.Actors.Recovery;
using Rosetta.Actors.Spill;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Destinations;
using Rosetta.Core.Lanes;
using Rosetta.Core.Spill;
using Rosetta.Store.Destinations;
using Rosetta.Store.Jobs;
using Rosetta.Store.Monitoring;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Requests;
using Rosetta.Store.Runtime;

namespace Rosetta.Actors.Pipelines;

/// <summary>What every pipeline of a node works with.</summary>
/// <param name="Installation">UUID of the installation.</param>
/// <param name="OpenDestination">Makes the destination of a definition; no connection is opened yet.</param>
public sealed record PipelineServices(
    Guid Installation,
    PipelineRepository Pipelines,
    PipelineDestinationRepository PipelineDestinations,
    EpochRepository Epochs,
    SlotRecordRepository SlotRecords,
    PipelineReportRepository Reports,
    PipelineRequestRepository Requests,
    BackfillJobRepository Backfills,
    VerifyRunRepository Verifies,
    NotificationRepository Notifications,
    DataFlowRepository DataFlow,
    Func<DestinationDefinition, IDestination> OpenDestination,
    PipelineSettings Settings,
    TimeProvider Time)
{
    /// <summary>Keeps changes that cannot be applied; null: such a change stops its table.</summary>
    public IDeadLetterStore? DeadLetters { get; init; }

    /// <summary>Takes the changes of destinations that hold too much WAL; null: they hold it.</summary>
    public ISpillStore? Spill { get; init; }

    /// <summary>What operators order about parked changes; null: nothing can be ordered here.</summary>
    public RecoveryRecords? Recovery { get; init; }
}

/// <summary>Section <c>Rosetta:Pipelines</c> of the configuration; every value has a default for one machine.</summary>
public sealed record PipelineSettings
{
    /// <summary>Tables copied at once per destination (<c>PIPELINE_POOL_MAX_CONN</c>).</summary>
    public int PoolMaxConnections { get; init; } = 3;

    /// <summary>Bound of a lane's log in bytes.</summary>
    public long LaneLogBytes { get; init; } = LaneHubOptions.Default.LogBytes;

    /// <summary>How long the main stream waits for a full lane before it goes on without it.</summary>
    public TimeSpan LaneGrace { get; init; } = LaneHubOptions.Default.Grace;

    /// <summary>Changes in one destination transaction, at most (a larger source transaction is applied in pieces).</summary>
    public int GroupRows { get; init; } = GroupBounds.Default.Rows;

    /// <summary>Bytes in one destination transaction, at most.</summary>
    public long GroupBytes { get; init; } = GroupBounds.Default.Bytes;

    /// <summary>Size in bytes from which on a table's first copy lands range by range, so that little is copied again when it is cut.</summary>
    public long RangedFrom { get; init; } = 128 << 20;

    /// <summary>Changes that cannot be applied are parked, with those that come after them with the same key, and tried again; otherwise they stop their table.</summary>
    public bool Parking { get; init; } = true;

    /// <summary>How often parked changes are looked at.</summary>
    public TimeSpan RecoveryInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Tries of a parked change, after which it waits for somebody.</summary>
    public int RecoveryTries { get; init; } = 10;

    /// <summary>Keys whose parked changes are applied in one transaction, at most.</summary>
    public int RecoveryBatch { get; init; } = 100;

    /// <summary>Parked for longer, a change is told of; nothing is deleted.</summary>
    public TimeSpan RecoveryMaxAge { get; init; } = TimeSpan.FromDays(7);

    /// <summary>How long the first copy may hold its snapshot at the source; what is left then is copied beside the stream.</summary>
    public TimeSpan SnapshotBudget { get; init; } = TimeSpan.FromHours(4);

    /// <summary>Tables get the secondary indexes, foreign keys, checks and comments of the source's after their copy.</summary>
    public bool WithIndexes { get; init; }

    /// <summary>WAL that the slot may make the source keep while the first copy holds its snapshot, in bytes; what is left then is copied beside the stream. 0: any.</summary>
    public long SnapshotWal { get; init; }

    /// <summary>Rows that all copies of a pipeline may read in a second; 0: no bound.</summary>
    public long CopyRows { get; init; }

    /// <summary>Bytes that all copies of a pipeline may read in a second; 0: no bound.</summary>
    public long CopyBytes { get; init; }

    /// <summary>WAL that a destination that streams may be behind before copies wait, in bytes; 0: any.</summary>
    public long CopyLag { get; init; }

    /// <summary>WAL that the slot may make the source keep before copies beside the stream wait, in bytes; 0: any.</summary>
    public long CopyRetainedWal { get; init; }

    /// <summary>Sessions of others at work at the source before copies wait; 0: any number.</summary>
    public int CopySourceBackends { get; init; }

    /// <summary>Rows of a chunk, at most, where a table is copied beside the stream.</summary>
    public int ChunkRows { get; init; } = 50_000;

    /// <summary>Backfill jobs of a pipeline that are carried out at once; further ones wait.</summary>
    public int BackfillJobs { get; init; } = 2;

    /// <summary>WAL that the slot may make the source keep for a destination that does not follow, in bytes; its changes are spilled in time for it. 0: any.</summary>
    public long SpillWal { get; init; } = 4L << 30;

    /// <summary>Size of a destination's spill log as it is stored, in bytes.</summary>
    public long SpillBytes { get; init; } = SpillLimits.Default.Bytes;

    /// <summary>Age of the oldest part of a spill log.</summary>
    public TimeSpan SpillAge { get; init; } = SpillLimits.Default.Age;

    /// <summary>What becomes of a destination whose spill log has come to one of these bounds.</summary>
    public SpillEnd SpillEnd { get; init; } = SpillLimits.Default.End;

    /// <summary>Retained WAL at which a notification is raised, in bytes.</summary>
    public long WalWarningBytes { get; init; } = 1L << 30;

    /// <summary>How often the source's catalog is read for new and changed tables.</summary>
    public TimeSpan CatalogInterval { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Time a drain may take before the rest is left to the next incarnation.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <exception cref="ArgumentException">A value is none; the message names its key and what is allowed.</exception>
    public void Validate()
    {
        if (SpillWal is < 0 or > 0 and < 64 << 20)
            throw new ArgumentException($"Rosetta:Pipelines:SpillWal is {SpillWal}; it must be 0 or at least {64 << 20} bytes: WAL comes in segments of 16 MB.");
        if (SpillBytes <= 0 || SpillAge <= TimeSpan.Zero)
            throw new ArgumentException("Rosetta:Pipelines:SpillBytes and SpillAge must be above 0.");
    }
}
