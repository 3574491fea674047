using Rosetta.Actors.Cluster.Membership;

namespace Rosetta.Actors.Cluster.Bootstrap;

/// <summary>What a node that is not yet a member does next.</summary>
public abstract record BootstrapDecision
{
    BootstrapDecision() { }

    /// <summary>Join one of these members; never contains the node itself.</summary>
    public sealed record Join(IReadOnlyList<string> Seeds) : BootstrapDecision;

    /// <summary>
    /// Found a cluster. The node asks <paramref name="Others"/> first, even those with an old heartbeat, and joins a cluster that lives
    /// after all; only their silence makes it found one.
    /// </summary>
    public sealed record Found(IReadOnlyList<string> Others) : BootstrapDecision;

    /// <summary>Another node is about to found the cluster.</summary>
    public sealed record WaitForFounder(string Founder) : BootstrapDecision;

    /// <summary>A row of an earlier incarnation at this address has a fresh heartbeat: look again whether it still beats.</summary>
    public sealed record WatchIncumbent(NodeRow Incumbent) : BootstrapDecision;

    /// <summary>Another living node uses this address: a wrong host name or port in the settings of one of the two.</summary>
    public sealed record RefuseAddress(string Address) : BootstrapDecision;
}
