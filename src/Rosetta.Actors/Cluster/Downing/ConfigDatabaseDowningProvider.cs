using Akka.Actor;
using Akka.Cluster;
using Rosetta.Actors.Cluster.Membership;
using AkkaCluster = Akka.Cluster.Cluster;

namespace Rosetta.Actors.Cluster.Downing;

/// <summary>
/// Takes unreachable members out of the cluster by the word of the config database. Named in <c>akka.cluster.downing-provider-class</c>;
/// the constructor's shape is Akka's.
/// </summary>
public sealed class ConfigDatabaseDowningProvider(ActorSystem system, AkkaCluster cluster) : IDowningProvider
{
    /// <summary>None: what a removed node might still do is fenced at the slot and at the destinations.</summary>
    public TimeSpan DownRemovalMargin => TimeSpan.Zero;

    public Props DowningActorProps => ConfigDatabaseDowningActor.Props(cluster, ClusterMembership.Get(system), TimeProvider.System);
}
