using Akka.Actor;
using Akka.Cluster.Tools.Singleton;
using Rosetta.Actors.Cluster.Sharding;
using Rosetta.Actors.Monitoring;
using Rosetta.Actors.Pipelines;
using Rosetta.Actors.Polling;
using Rosetta.Store.Configuration;

namespace Rosetta.Actors;

/// <summary>Starts what runs pipelines on a node, once its config database has been opened.</summary>
public static class PipelineHosting
{
    /// <returns>The shard region.</returns>
    public static async Task<IActorRef> StartAsync(
        ActorSystem system, PipelineServices services, ConfigListener listener, MonitorServices monitor,
        CancellationToken cancellationToken)
    {
        var region = await PipelineSharding.StartAsync(
            system, id => PipelineActor.Props(id, services), PipelineCommands.HandOff.Instance, cancellation: cancellationToken).ConfigureAwait(false);
        Singleton(system, "config-poller", Props.Create(() => new ConfigPollerActor(services.Pipelines, services.Requests, listener, region)));
        Singleton(system, "source-monitor", Props.Create(() => new SourceMonitorActor(monitor)));
        return region;
    }

    static void Singleton(ActorSystem system, string name, Props props) => system.ActorOf(
        ClusterSingletonManager.Props(props, PoisonPill.Instance, ClusterSingletonManagerSettings.Create(system)), name);
}
