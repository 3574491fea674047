using Rosetta.Actors.Cluster.Membership;

namespace Rosetta.Actors.Cluster.Downing;

/// <summary>What a node does about unreachable members.</summary>
public abstract record DowningDecision
{
    DowningDecision() { }

    /// <summary>Nothing to do, or nothing yet: <paramref name="Reason"/> says why.</summary>
    public sealed record Wait(string Reason) : DowningDecision;

    /// <summary>
    /// Take these members out. Those in <paramref name="Mark"/> are first recorded as down in <c>cluster_nodes</c>, in the transaction in
    /// which this was decided; <paramref name="Follow"/> are recorded already.
    /// </summary>
    public sealed record Down(IReadOnlyList<NodeKey> Mark, IReadOnlyList<NodeKey> Follow, string Reason) : DowningDecision
    {
        public IEnumerable<NodeKey> All => Mark.Concat(Follow);
    }

    /// <summary>The others took this node out: it ends its actor system.</summary>
    public sealed record StepDown(string Reason) : DowningDecision;
}
