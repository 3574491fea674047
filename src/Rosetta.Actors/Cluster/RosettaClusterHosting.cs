using System.Reflection;
using Akka.Actor;
using Akka.Hosting;
using Npgsql;
using Rosetta.Actors.Cluster.Bootstrap;
using Rosetta.Actors.Cluster.Remoting;
using Rosetta.Actors.Cluster.Serialization;

namespace Rosetta.Actors.Cluster;

/// <summary>Makes an actor system a node of the cluster.</summary>
public static class RosettaClusterHosting
{
    /// <summary>
    /// Adds remoting, membership, downing, bootstrap and the wire serializer. The node joins in the background: start-up does not wait for
    /// the config database. Shard regions and singletons are added by those who own them.
    /// </summary>
    /// <param name="settings">Checked here; a wrong value throws and names its key.</param>
    /// <param name="database">The config database, best made by <see cref="Membership.ClusterDataSource.Create"/>. Not owned.</param>
    /// <param name="messages">The types that cross nodes.</param>
    public static AkkaConfigurationBuilder AddRosettaCluster(
        this AkkaConfigurationBuilder builder, ClusterSettings settings, NpgsqlDataSource database, WireMessages messages)
    {
        settings.Validate();
        var bindHostname = settings.BindHostname ?? settings.Hostname;
        var port = RemotingPort.Choose(settings.Port, bindHostname);

        foreach (var path in ClusterHocon.Paths())
            builder.AddHoconFile(path, HoconAddMode.Append);
        builder.AddHocon(
            $$"""
            akka.remote.dot-netty.tcp {
              hostname = {{bindHostname.ToHocon()}}
              public-hostname = {{settings.Hostname.ToHocon()}}
              port = {{port.Port}}
              public-port = {{settings.PublicPort ?? 0}}
            }
            akka.cluster {
              roles = [{{string.Join(", ", settings.Roles.Select(role => role.ToHocon()))}}]
              app-version = {{(settings.Version ?? AssemblyVersion()).ToHocon()}}
            }
            """,
            HoconAddMode.Prepend);

        return builder
            .AddSetup(new RosettaClusterSetup(settings, database))
            .WithStrictSerialization()
            .WithCustomSerializer("rosetta", [typeof(IRosettaWireMessage)], system => new RosettaSerializer(system, messages))
            .AddStartup((system, _) =>
            {
                system.RegisterOnTermination(port.Dispose);
                ((ExtendedActorSystem)system).SystemActorOf(ClusterBootstrapActor.Props(TimeProvider.System), "rosetta-cluster-bootstrap");
            });
    }

    static string AssemblyVersion()
    {
        var version = typeof(RosettaClusterHosting).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
        // Without the commit that the SDK appends after a plus sign.
        return version?.Split('+')[0] ?? "0.0.0";
    }
}
