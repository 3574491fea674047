using Akka.Actor;
using Akka.Cluster;
using Rosetta.Actors.Cluster.Membership;
using AkkaCluster = Akka.Cluster.Cluster;

namespace Rosetta.Actors.Cluster.Views;

/// <summary>A fact for a health endpoint, with a sentence that says what is wrong.</summary>
public sealed record HealthFact(bool Healthy, string Detail);

/// <summary>Liveness and readiness of this node's part in the cluster. Cheap: reads what is known, asks no one.</summary>
public sealed class ClusterHealth(ActorSystem system)
{
    /// <summary>False once the actor system has ended or is about to end for good: the process should be replaced.</summary>
    public HealthFact Liveness()
    {
        if (system.WhenTerminated.IsCompleted)
            return new HealthFact(false, "the actor system has ended");
        if (ClusterMembership.Get(system).HasSteppedDown)
            return new HealthFact(false, "the cluster goes on without this node; it is ending");
        return new HealthFact(true, "the actor system runs");
    }

    /// <summary>True while this node is a member that can host pipelines.</summary>
    public HealthFact Readiness()
    {
        var live = Liveness();
        if (!live.Healthy)
            return live;
        var status = AkkaCluster.Get(system).SelfMember.Status;
        return status switch
        {
            MemberStatus.Up => new HealthFact(true, "member of the cluster"),
            MemberStatus.Joining or MemberStatus.WeaklyUp => new HealthFact(false, "joining the cluster"),
            MemberStatus.Leaving or MemberStatus.Exiting => new HealthFact(false, "leaving the cluster"),
            _ => new HealthFact(false, "not a member of a cluster yet; the log says what it waits for"),
        };
    }
}
