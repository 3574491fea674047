namespace Rosetta.Actors.Cluster.Membership;

/// <summary>A node's state in <c>cluster_nodes</c>, by its own word except for <see cref="Down"/>.</summary>
public enum NodeState
{
    /// <summary>Not yet a member of a cluster.</summary>
    Starting,

    /// <summary>Member of the cluster.</summary>
    Up,

    /// <summary>Draining; its row goes when it has left.</summary>
    Leaving,

    /// <summary>Taken out by the others, for good. A node that finds its own row in this state ends its actor system.</summary>
    Down,
}
