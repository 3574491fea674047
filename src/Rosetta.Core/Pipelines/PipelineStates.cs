namespace Rosetta.Core.Pipelines;

/// <summary>What is asked of a pipeline: <c>START</c> or <c>PAUSE</c> in <c>pipelines.status</c>.</summary>
public enum PipelineStatus
{
    Pause,
    Start,
}

/// <summary>What a pipeline is doing: the first that fits.</summary>
public enum PipelineState
{
    /// <summary>Paused or ended; nothing runs.</summary>
    Stopped,

    /// <summary>Draining its lanes before it stops.</summary>
    Stopping,

    /// <summary>Taking over: epoch, preflight, slot, destinations.</summary>
    Starting,

    /// <summary>Stopped by a fault of the source or of the configuration that an operator must mend; re-checked every 30 s.</summary>
    Error,

    /// <summary>The source cannot be reached; tried again with backoff.</summary>
    Retrying,

    /// <summary>No destination streams yet.</summary>
    Snapshotting,

    /// <summary>Runs, but a destination or a table is not fine.</summary>
    Degraded,

    /// <summary>Runs, everything fine.</summary>
    Running,
}

/// <summary>A destination's health within a pipeline.</summary>
public enum DestinationHealth
{
    Healthy,

    /// <summary>Its first copy is under way.</summary>
    Snapshotting,

    /// <summary>Follows at a distance: on its own stream, or behind its bound.</summary>
    Lagging,

    /// <summary>Cannot be reached; tried again with backoff.</summary>
    Retrying,

    /// <summary>Its changes go to the spill log.</summary>
    Spilling,

    /// <summary>Parked changes are being applied.</summary>
    Recovering,

    /// <summary>Stopped by a fault that an operator must mend; tried again every 30 s.</summary>
    Error,

    /// <summary>Stopped by an operator.</summary>
    Paused,
}

/// <summary>Where a destination gets its changes from.</summary>
public enum LaneState
{
    /// <summary>From the main stream.</summary>
    Attached,

    /// <summary>From nowhere at the moment; it holds the slot at its durable position.</summary>
    Detached,

    /// <summary>From a stream of its own, over a temporary copy of the slot.</summary>
    CatchingUp,

    /// <summary>Its stream is written to the spill log.</summary>
    Spilling,

    /// <summary>From the spill log.</summary>
    Draining,
}

public enum DestinationType
{
    Postgres,
    Snowflake,
}

/// <summary>The words of the API and of the config database.</summary>
public static class StateNames
{
    public static string ToName(this PipelineStatus status) => status == PipelineStatus.Start ? "START" : "PAUSE";

    public static string ToName(this PipelineState state) => Upper(state.ToString());

    public static string ToName(this DestinationHealth health) => Upper(health.ToString());

    public static string ToName(this DestinationType type) => Upper(type.ToString());

    public static string ToName(this LaneState lane) => lane == LaneState.CatchingUp ? "CATCHING_UP" : Upper(lane.ToString());

    static string Upper(string name) => name.ToUpperInvariant();
}
