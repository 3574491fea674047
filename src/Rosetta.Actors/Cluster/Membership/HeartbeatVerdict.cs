namespace Rosetta.Actors.Cluster.Membership;

/// <summary>What a heartbeat learned about the node's own row.</summary>
public enum HeartbeatVerdict
{
    /// <summary>The row is this incarnation's and was refreshed (or written anew after someone removed it).</summary>
    Alive,

    /// <summary>Other nodes took this one out.</summary>
    TakenOut,

    /// <summary>Another incarnation has this address now.</summary>
    Replaced,
}
