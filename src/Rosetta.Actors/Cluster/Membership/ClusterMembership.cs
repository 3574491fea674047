using Akka;
using Akka.Actor;
using Akka.Configuration;
using Akka.Event;
using Rosetta.Actors.Cluster.Downing;
using AkkaCluster = Akka.Cluster.Cluster;

namespace Rosetta.Actors.Cluster.Membership;

/// <summary>This node's part in <c>cluster_nodes</c>, shared by the actors that join and that take others out. Owns the heartbeat.</summary>
public sealed class ClusterMembership : IExtension
{
    /// <summary>How long the record of a node that was taken out is kept. A process frozen for longer is met by Akka's quarantine alone.</summary>
    public static readonly TimeSpan RememberDownFor = TimeSpan.FromDays(1);

    static readonly TimeSpan StepDownPatience = TimeSpan.FromSeconds(5);
    static readonly TimeSpan DeletePatience = TimeSpan.FromSeconds(3);

    readonly ExtendedActorSystem _system;
    readonly TimeSpan _heartbeatInterval;
    readonly ILoggingAdapter _log;
    NodeHeartbeat? _heartbeat;
    int _steppedDown;

    internal ClusterMembership(ExtendedActorSystem system, RosettaClusterSetup setup)
    {
        _system = system;
        Settings = setup.Settings;
        Table = new ClusterNodesTable(setup.Database, system.Name);
        var config = system.Settings.Config.GetConfig("rosetta.cluster")
            ?? throw new ConfigurationException("rosetta.cluster is missing: hocon/cluster.conf was not loaded");
        Timings = DowningTimings.From(config);
        _heartbeatInterval = config.GetTimeSpan("heartbeat-interval");
        _log = Logging.GetLogger(system, typeof(ClusterMembership));
    }

    public ClusterSettings Settings { get; }

    public ClusterNodesTable Table { get; }

    public DowningTimings Timings { get; }

    /// <summary>True once this node has been taken out, or has given up; it is on its way to end.</summary>
    public bool HasSteppedDown => Volatile.Read(ref _steppedDown) == 1;

    /// <summary>How long the config database has answered this node's heartbeats without interruption.</summary>
    public TimeSpan DatabaseAnsweredFor => _heartbeat?.AnsweredFor ?? TimeSpan.Zero;

    public static ClusterMembership Get(ActorSystem system) => system.WithExtension<ClusterMembership, ClusterMembershipProvider>();

    /// <summary>Starts the heartbeat of a node whose row has been written. Called once, by the bootstrap.</summary>
    public void StartHeartbeat(NodeDescription node)
    {
        var heartbeat = new NodeHeartbeat(Table, node, _heartbeatInterval, OnLost, _log);
        _heartbeat = heartbeat;
        var shutdown = CoordinatedShutdown.Get(_system);
        shutdown.AddTask(CoordinatedShutdown.PhaseBeforeServiceUnbind, "rosetta-node-leaving", () =>
        {
            heartbeat.State = NodeState.Leaving;
            return Task.FromResult(Done.Instance);
        });
        // After the node has left the cluster: until then its heartbeat shows that it lives.
        shutdown.AddTask(CoordinatedShutdown.PhaseClusterShutdown, "rosetta-node-left", async () =>
        {
            await Task.Run(() => heartbeat.DeleteAndStop(DeletePatience)).ConfigureAwait(false);
            return Done.Instance;
        });
        _system.RegisterOnTermination(heartbeat.Stop);
        heartbeat.Start();
    }

    /// <summary>Writes that this node is a member now.</summary>
    public void MarkUp()
    {
        if (_heartbeat is { State: NodeState.Starting } heartbeat)
            heartbeat.State = NodeState.Up;
    }

    /// <summary>
    /// Ends the actor system because the cluster goes on without this node. The host then ends the process with an exit code that is not
    /// zero, so that its supervisor starts a new one.
    /// </summary>
    public void StepDown(string reason)
    {
        if (Interlocked.Exchange(ref _steppedDown, 1) == 1)
            return;
        _log.Error("ClusterMembership: this node ends, because [{Reason}]. A supervisor should start it again", reason);
        // Downing itself first: shard regions then stop at once instead of handing over to a cluster that they are no longer part of.
        AkkaCluster.Get(_system).Down(AkkaCluster.Get(_system).SelfAddress);
        _system.Scheduler.Advanced.ScheduleOnce(StepDownPatience, () =>
            CoordinatedShutdown.Get(_system).Run(CoordinatedShutdown.ClusterDowningReason.Instance));
    }

    void OnLost(HeartbeatVerdict verdict) => StepDown(verdict == HeartbeatVerdict.TakenOut
        ? "other nodes took it out of the cluster"
        : "another process uses this node's address");
}
