using Akka.Actor;
using Akka.Configuration;

namespace Rosetta.Actors.Cluster.Membership;

/// <summary>Makes <see cref="ClusterMembership"/> from the <see cref="RosettaClusterSetup"/> of the actor system.</summary>
public sealed class ClusterMembershipProvider : ExtensionIdProvider<ClusterMembership>
{
    public override ClusterMembership CreateExtension(ExtendedActorSystem system)
    {
        var setup = system.Settings.Setup.Get<RosettaClusterSetup>();
        return setup.HasValue
            ? new ClusterMembership(system, setup.Value)
            : throw new ConfigurationException("the actor system has no RosettaClusterSetup: start it through AddRosettaCluster");
    }
}
