using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Serialization;
using Rosetta.Actors.Backfills;
using Rosetta.Actors.Cluster;
using Rosetta.Actors.Cluster.Serialization;
using Rosetta.Actors.Pipelines;

namespace Rosetta.Actors.Tests.Backfills;

/// <summary>An actor system with the journal of the jobs, as a node has it.</summary>
static class JobSystem
{
    public static ActorSystem Start(string configConnection)
    {
        var config = ConfigurationFactory.ParseString("akka.actor.provider = cluster\nakka.remote.dot-netty.tcp { hostname = 127.0.0.1\nport = 0 }\nakka.loglevel = WARNING")
            .WithFallback(ConfigurationFactory.ParseString(JobJournal.Connection(configConnection)))
            .WithFallback(ConfigurationFactory.ParseString(File.ReadAllText(Path.Combine(ClusterHocon.Directory, "persistence.conf"))))
            .WithFallback(JobJournal.Defaults)
            .WithFallback(Akka.TestKit.Configs.TestConfigs.DefaultConfig);
        return ActorSystem.Create("jobs", ActorSystemSetup.Create(
            BootstrapSetup.Create().WithConfig(config),
            SerializationSetup.Create(system =>
                [SerializerDetails.Create("rosetta", new RosettaSerializer(system, PipelineWireMessages.All), [typeof(IRosettaWireMessage)])])));
    }
}
