namespace Rosetta.Core.Tables;

/// <summary>
/// The life of a table at a destination, as API, CLI and dashboard show it. Every state that needs an operator carries an error and a
/// remedy. What decides about applying a change is stored at the destination itself; this is its mirror.
/// </summary>
public enum TableState
{
    /// <summary>Chosen, nothing copied yet. Set when the table is first seen; the destination's pump waits to copy it.</summary>
    Pending,

    /// <summary>Being copied for the first time.</summary>
    Snapshotting,

    /// <summary>Copied; changes made meanwhile are being applied.</summary>
    CatchingUp,

    /// <summary>Follows the source.</summary>
    Streaming,

    /// <summary>Follows inserts and truncates only: the source's table has no replica identity. The remedy gives the SQL.</summary>
    InsertOnly,

    /// <summary>Being copied again because it was asked for.</summary>
    Resyncing,

    /// <summary>Stopped by an operator.</summary>
    Paused,

    /// <summary>All its changes are parked.</summary>
    Parked,

    /// <summary>Stopped by a failure; error and remedy say why and what to do. Stored at the destination.</summary>
    Error,

    /// <summary>Not chosen (<c>enabled: false</c>).</summary>
    Excluded,
}

/// <summary>The words of the API and of the config database.</summary>
public static class TableStateNames
{
    public static string ToName(this TableState state) => state switch
    {
        TableState.Pending => "PENDING",
        TableState.Snapshotting => "SNAPSHOTTING",
        TableState.CatchingUp => "CATCHING_UP",
        TableState.Streaming => "STREAMING",
        TableState.InsertOnly => "INSERT_ONLY",
        TableState.Resyncing => "RESYNCING",
        TableState.Paused => "PAUSED",
        TableState.Parked => "PARKED",
        TableState.Error => "ERROR",
        TableState.Excluded => "EXCLUDED",
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, null),
    };
}
