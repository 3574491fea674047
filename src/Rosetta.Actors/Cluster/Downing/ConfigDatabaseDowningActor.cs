using System.Collections.Immutable;
using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Akka.Remote;
using Rosetta.Actors.Cluster.Membership;
using AkkaCluster = Akka.Cluster.Cluster;

namespace Rosetta.Actors.Cluster.Downing;

/// <summary>
/// Watches the members and, when some have been unreachable for long enough, has <see cref="DowningStrategy"/> judge them under the
/// database's lock. The verdict is recorded before it is carried out. Runs on every node.
/// </summary>
public sealed class ConfigDatabaseDowningActor : ReceiveActor, IWithTimers
{
    static readonly TimeSpan TickEvery = TimeSpan.FromMilliseconds(500);
    static readonly TimeSpan AskAgainAfter = TimeSpan.FromSeconds(1);

    readonly AkkaCluster _cluster;
    readonly ClusterMembership _membership;
    readonly TimeProvider _time;
    readonly NodeKey _self;
    readonly ILoggingAdapter _log = Context.GetLogger();

    // Read by the decision, which runs on another thread after it obtained the lock and must not judge by an older state.
    volatile ImmutableDictionary<UniqueAddress, Tracked> _members = ImmutableDictionary<UniqueAddress, Tracked>.Empty;
    ImmutableHashSet<NodeKey> _toRecord = [];
    bool _asking;
    bool _askNow;
    long _askedAt;
    string? _lastReason;

    public ConfigDatabaseDowningActor(AkkaCluster cluster, ClusterMembership membership, TimeProvider time)
    {
        _cluster = cluster;
        _membership = membership;
        _time = time;
        _self = NodeKey.Of(cluster.SelfUniqueAddress);

        Receive<Tick>(_ => OnTick());
        Receive<Judged>(OnJudged);
        Receive<Status.Failure>(failure => OnFailure(failure.Cause));
        Receive<ClusterEvent.MemberRemoved>(OnRemoved);
        Receive<ClusterEvent.IMemberEvent>(e => Track(e.Member));
        Receive<ClusterEvent.UnreachableMember>(e => Track(e.Member, unreachable: true));
        Receive<ClusterEvent.ReachableMember>(e => Track(e.Member, unreachable: false));
        Receive<ThisActorSystemQuarantinedEvent>(OnQuarantined);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(AkkaCluster cluster, ClusterMembership membership, TimeProvider time) =>
        Akka.Actor.Props.Create(() => new ConfigDatabaseDowningActor(cluster, membership, time));

    protected override void PreStart()
    {
        _cluster.Subscribe(
            Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents,
            typeof(ClusterEvent.IMemberEvent), typeof(ClusterEvent.IReachabilityEvent));
        Context.System.EventStream.Subscribe(Self, typeof(ThisActorSystemQuarantinedEvent));
        Timers.StartPeriodicTimer(Tick.Instance, Tick.Instance, TickEvery);
    }

    protected override void PostStop()
    {
        _cluster.Unsubscribe(Self);
        Context.System.EventStream.Unsubscribe(Self);
    }

    void Track(Member member, bool? unreachable = null)
    {
        var since = _members.GetValueOrDefault(member.UniqueAddress)?.UnreachableSince;
        if (unreachable is true && since is null)
        {
            since = _time.GetTimestamp();
            _log.Warning("ConfigDatabaseDowning: [{Member}] is unreachable; the config database is asked in {StableAfter} unless it comes back",
                NodeKey.Of(member.UniqueAddress), _membership.Timings.StableAfter);
        }
        else if (unreachable is false)
        {
            if (since is not null)
                _log.Info("ConfigDatabaseDowning: [{Member}] is reachable again", NodeKey.Of(member.UniqueAddress));
            since = null;
        }
        _members = _members.SetItem(member.UniqueAddress, new Tracked(member, since));
    }

    void OnRemoved(ClusterEvent.MemberRemoved removed)
    {
        _members = _members.Remove(removed.Member.UniqueAddress);
        // Whoever downed it (an operator, too): the record lets the node find out, however little it hears of the others.
        var key = NodeKey.Of(removed.Member.UniqueAddress);
        if (removed.PreviousStatus == MemberStatus.Down && key != _self)
            _toRecord = _toRecord.Add(key);
    }

    void OnQuarantined(ThisActorSystemQuarantinedEvent quarantined)
    {
        _log.Warning("ConfigDatabaseDowning: [{Remote}] has quarantined this node; asking the config database why", quarantined.RemoteAddress);
        _askNow = true;
    }

    void OnTick()
    {
        if (_asking || _membership.HasSteppedDown)
            return;
        var waiting = _members.Values.Any(m =>
            m.UnreachableSince is { } since && _time.GetElapsedTime(since) >= _membership.Timings.StableAfter);
        if (!waiting && !_askNow && _toRecord.IsEmpty)
        {
            _lastReason = null;
            return;
        }
        if (_askedAt != 0 && _time.GetElapsedTime(_askedAt) < AskAgainAfter)
            return;
        _asking = true;
        _askNow = false;
        _askedAt = _time.GetTimestamp();
        var toRecord = _toRecord;
        _membership.Table.UnderLockAsync(
            async (transaction, cancellation) =>
            {
                var rows = await transaction.ReadAsync(cancellation).ConfigureAwait(false);
                var decision = DowningStrategy.Decide(View(rows));
                if (decision is not DowningDecision.StepDown)
                    await transaction.MarkDownAsync(toRecord, _self.Address, cancellation).ConfigureAwait(false);
                if (decision is DowningDecision.Down down)
                    await transaction.MarkDownAsync(down.Mark, _self.Address, cancellation).ConfigureAwait(false);
                return new Judged(decision, toRecord);
            },
            CancellationToken.None).PipeTo(Self);
    }

    DowningView View(IReadOnlyList<NodeRow> rows)
    {
        var members = _members.Values.Where(m => m.Member.Status is not (MemberStatus.Down or MemberStatus.Removed)).ToList();
        return new DowningView(
            _self,
            [.. members.Select(m => new MemberView(
                NodeKey.Of(m.Member.UniqueAddress),
                members.Count(other => other.Member.IsOlderThan(m.Member)),
                m.UnreachableSince is { } since ? _time.GetElapsedTime(since) : null,
                !_cluster.FailureDetector.IsAvailable(m.Member.Address)))],
            rows,
            _membership.DatabaseAnsweredFor,
            _membership.Timings);
    }

    void OnJudged(Judged judged)
    {
        _asking = false;
        _toRecord = _toRecord.Except(judged.Recorded);
        switch (judged.Decision)
        {
            case DowningDecision.Down down:
                _lastReason = down.Reason;
                foreach (var key in down.All)
                    if (_members.Values.FirstOrDefault(m => NodeKey.Of(m.Member.UniqueAddress) == key) is { } tracked)
                    {
                        _log.Warning("ConfigDatabaseDowning: taking [{Member}] out of the cluster: {Reason}", key, down.Reason);
                        _cluster.Down(tracked.Member.Address);
                    }
                break;
            case DowningDecision.StepDown step:
                _membership.StepDown(step.Reason);
                break;
            case DowningDecision.Wait wait when wait.Reason != _lastReason && _members.Values.Any(m => m.UnreachableSince is not null):
                _lastReason = wait.Reason;
                _log.Info("ConfigDatabaseDowning: nothing is taken out yet: {Reason}", wait.Reason);
                break;
        }
    }

    void OnFailure(Exception failure)
    {
        _asking = false;
        if (failure.Message == _lastReason)
            return;
        _lastReason = failure.Message;
        _log.Warning(failure, "ConfigDatabaseDowning: the config database does not answer [{Reason}]; nothing is taken out until it does",
            failure.Message);
    }

    sealed record Tracked(Member Member, long? UnreachableSince);

    sealed record Judged(DowningDecision Decision, ImmutableHashSet<NodeKey> Recorded) : INoSerializationVerificationNeeded;

    sealed class Tick : INoSerializationVerificationNeeded, IDeadLetterSuppression
    {
        public static readonly Tick Instance = new();
    }
}
