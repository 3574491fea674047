using System.Collections.Immutable;
using Rosetta.Core.Positions;

namespace Rosetta.Store.Runtime;

/// <summary>What was last reported about a pipeline, as any node reads it. States are the names of API.md.</summary>
public sealed record PipelineStatusView(
    long PipelineId, RuntimeView? Runtime, ImmutableDictionary<long, DestinationView> Destinations);

public sealed record RuntimeView
{
    public long PipelineId { get; init; }

    public string State { get; init; } = "";

    public string? Node { get; init; }

    public DateTime Since { get; init; }

    public int Restarts { get; init; }

    public string? LastError { get; init; }

    public string? Remedy { get; init; }

    public string? Slot { get; init; }

    public Lsn? ReceivedLsn { get; init; }

    public Lsn? ConfirmedLsn { get; init; }

    public long? WalRetainedBytes { get; init; }

    /// <summary>Since when it was reported, by the database's clock. A large one means that no node runs the pipeline at the moment.</summary>
    public TimeSpan Age { get; init; }
}

public sealed record DestinationView
{
    public long PipelineId { get; init; }

    public long DestinationId { get; init; }

    public string HealthStatus { get; init; } = "";

    public string Lane { get; init; } = "";

    public long? WalSize { get; init; }

    public long? LagBytes { get; init; }

    public double? LagSeconds { get; init; }

    public Lsn? AppliedLsn { get; init; }

    public DateTime? LastSuccessTime { get; init; }

    public long DlqCount { get; init; }

    public string? LastError { get; init; }

    public string? Remedy { get; init; }

    /// <summary>A <see cref="SpillReport"/> as JSON; null: nothing is spilled.</summary>
    public string? Spill { get; init; }

    public ImmutableArray<TableView> Tables { get; init; } = [];
}

public sealed record TableView
{
    public long PipelineId { get; init; }

    public long DestinationId { get; init; }

    public string TableName { get; init; } = "";

    public string? Target { get; init; }

    public string State { get; init; } = "";

    public long SnapshotRows { get; init; }

    public long? SnapshotRowsEstimated { get; init; }

    public long RowsInserted { get; init; }

    public long RowsUpdated { get; init; }

    public long RowsDeleted { get; init; }

    public long SnapshotBytes { get; init; }

    public double? SnapshotRowsPerSecond { get; init; }

    public double? SnapshotSecondsLeft { get; init; }

    public string? SnapshotWaitsFor { get; init; }

    /// <summary>A <see cref="ResyncReport"/> as JSON.</summary>
    public string? LastResync { get; init; }

    public string? Error { get; init; }

    public string? Remedy { get; init; }
}
