namespace Rosetta.Actors.Cluster.Views;

/// <summary>Looks at the cluster and commands its members, from any node.</summary>
public interface IClusterView
{
    /// <summary>The cluster as this node sees it. Takes as long as the slowest region, at most a few seconds.</summary>
    Task<ClusterSnapshot> GetAsync(CancellationToken cancellation);

    /// <summary>Asks a member to drain its pipelines and leave.</summary>
    /// <param name="address"><c>host:port</c>.</param>
    ClusterCommandResult Leave(string? address);

    /// <summary>Takes a member out at once, for one that is known to be dead. A living one ends its process.</summary>
    /// <param name="address"><c>host:port</c>.</param>
    ClusterCommandResult Down(string? address);
}

/// <summary>What became of a command to the cluster.</summary>
public enum ClusterCommandResult
{
    /// <summary>Handed to the cluster; it takes effect within seconds (a drain: within its budget).</summary>
    Accepted,

    /// <summary>No member has that address.</summary>
    UnknownMember,

    /// <summary>The text is not <c>host:port</c>.</summary>
    NotAnAddress,
}
