using System.Globalization;
using Akka.Actor;
using Akka.Cluster.Sharding;
using AkkaCluster = Akka.Cluster.Cluster;

namespace Rosetta.Actors.Cluster.Sharding;

/// <summary>The shard region of the pipelines: one shard per pipeline, on whichever node has the fewest.</summary>
public static class PipelineSharding
{
    /// <summary>Name of the region; entities live at <c>/system/sharding/pipeline/&lt;id&gt;/&lt;id&gt;</c>.</summary>
    public const string TypeName = "pipeline";

    /// <summary>
    /// Starts this node's region as soon as the node is a member of the cluster; before that a region would only complain, and hold up a
    /// shutdown. Messages that implement <see cref="Pipelines.IPipelineMessage"/> and are told to it reach the entity of
    /// that pipeline, which is started where needed. An entity that was moved or whose node died starts with the next message for it.
    /// </summary>
    /// <param name="props">Makes the entity of a pipeline id.</param>
    /// <param name="handOffStopMessage">
    /// Told to an entity that must move or whose node leaves. It drains and then stops itself, within the timeout of phase
    /// <c>cluster-sharding-shutdown-region</c>.
    /// </param>
    /// <param name="role">Only nodes of this role host pipelines; null: all nodes.</param>
    /// <exception cref="OperationCanceledException">Cancelled, or the actor system ended, before the node became a member.</exception>
    public static async Task<IActorRef> StartAsync(
        ActorSystem system, Func<long, Props> props, object handOffStopMessage, string? role = null, CancellationToken cancellation = default)
    {
        await MemberAsync(system, cancellation).ConfigureAwait(false);
        // The extension first: it brings the library's defaults, on which the settings rest.
        var sharding = ClusterSharding.Get(system);
        var settings = ClusterShardingSettings.Create(system);
        return await sharding.StartAsync(
            TypeName,
            entityId => props(long.Parse(entityId, CultureInfo.InvariantCulture)),
            role is null ? settings : settings.WithRole(role),
            PipelineMessageExtractor.Instance,
            AllocationStrategy(system),
            handOffStopMessage).ConfigureAwait(false);
    }

    static async Task MemberAsync(ActorSystem system, CancellationToken cancellation)
    {
        var member = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        AkkaCluster.Get(system).RegisterOnMemberUp(() => member.TrySetResult());
        system.RegisterOnTermination(() => member.TrySetCanceled(CancellationToken.None));
        await member.Task.WaitAsync(cancellation).ConfigureAwait(false);
    }

    static IShardAllocationStrategy AllocationStrategy(ActorSystem system)
    {
        var config = system.Settings.Config.GetConfig("akka.cluster.sharding.least-shard-allocation-strategy");
        return ShardAllocationStrategy.LeastShardAllocationStrategy(
            config.GetInt("rebalance-absolute-limit"), config.GetDouble("rebalance-relative-limit"));
    }
}
