using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Rosetta.Actors.Cluster.Membership;
using AkkaCluster = Akka.Cluster.Cluster;

namespace Rosetta.Actors.Cluster.Bootstrap;

/// <summary>
/// Brings this node into the cluster: writes its row into <c>cluster_nodes</c>, joins or founds as <see cref="BootstrapStrategy"/> decides,
/// and keeps at it until the node is a member. With seed nodes in the settings it joins those; the row is written all the same, since it is
/// what unreachable nodes are judged by.
/// </summary>
public sealed class ClusterBootstrapActor : ReceiveActor, IWithTimers
{
    static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);
    static readonly TimeSpan RepeatJoinAfter = TimeSpan.FromSeconds(10);
    static readonly TimeSpan WatchIncumbentFor = TimeSpan.FromSeconds(2.5);
    static readonly TimeSpan RepeatComplaintAfter = TimeSpan.FromSeconds(30);

    readonly AkkaCluster _cluster = AkkaCluster.Get(Context.System);
    readonly ClusterMembership _membership = ClusterMembership.Get(Context.System);
    readonly ILoggingAdapter _log = Context.GetLogger();
    readonly NodeDescription _node;
    readonly TimeProvider _time;

    bool _registered;
    NodeRow? _incumbent;
    long _incumbentReadAt;
    IReadOnlyList<Address> _joining = [];
    long _joinedAt;
    string? _complaint;
    long _complainedAt;

    public ClusterBootstrapActor(TimeProvider time)
    {
        _time = time;
        _node = new NodeDescription(NodeKey.Of(_cluster.SelfUniqueAddress), _cluster.SelfRoles, _cluster.Settings.AppVersion.Version);
        Receive<Look>(_ => OnLook());
        Receive<Decided>(decided => OnDecision(decided.Decision));
        Receive<Status.Failure>(failure => OnFailure(failure.Cause));
        Receive<BecameMember>(_ => OnMember());
    }

    public ITimerScheduler Timers { get; set; } = null!;

    bool UsesSeedNodes => _membership.Settings.SeedNodes.Count > 0;

    bool IsInCluster => _cluster.SelfMember.Status is MemberStatus.Joining or MemberStatus.WeaklyUp or MemberStatus.Up;

    public static Props Props(TimeProvider time) => Akka.Actor.Props.Create(() => new ClusterBootstrapActor(time));

    protected override void PreStart()
    {
        var self = Self;
        _cluster.RegisterOnMemberUp(() => self.Tell(BecameMember.Instance));
        if (UsesSeedNodes)
            Join([.. _membership.Settings.SeedNodes.Select(AddressOf)]);
        self.Tell(Look.Instance);
    }

    void OnLook()
    {
        if (_registered && (IsInCluster || UsesSeedNodes))
            return;
        if (_incumbent is not null && _time.GetElapsedTime(_incumbentReadAt) < WatchIncumbentFor)
        {
            LookAgain();
            return;
        }
        var self = _node.Key;
        var incumbent = _incumbent;
        _membership.Table.UnderLockAsync(
            async (transaction, cancellation) =>
            {
                await transaction.ForgetAsync(ClusterMembership.RememberDownFor, cancellation).ConfigureAwait(false);
                var rows = await transaction.ReadAsync(cancellation).ConfigureAwait(false);
                var decision = BootstrapStrategy.Decide(new BootstrapView(self, rows, incumbent, BootstrapTimings.Default));
                if (decision is not (BootstrapDecision.RefuseAddress or BootstrapDecision.WatchIncumbent))
                    await transaction.RegisterAsync(
                        _node,
                        decision is BootstrapDecision.Found ? ClusterNodesTable.FounderClaimHolds : null,
                        cancellation).ConfigureAwait(false);
                return new Decided(decision);
            },
            CancellationToken.None).PipeTo(Self);
    }

    void OnDecision(BootstrapDecision decision)
    {
        if (_complaint is not null)
            _log.Info("ClusterBootstrap: the config database answers");
        _complaint = null;
        if (decision is BootstrapDecision.RefuseAddress refused)
        {
            _log.Error(
                "ClusterBootstrap: another living node is registered as [{Address}]. Every node needs an address of its own that the others " +
                "reach: set Rosetta:Cluster:Hostname (and Port) on one of them", refused.Address);
            CoordinatedShutdown.Get(Context.System).Run(CoordinatedShutdown.ClusterJoinUnsuccessfulReason.Instance);
            return;
        }
        if (decision is BootstrapDecision.WatchIncumbent watch)
        {
            _log.Info("ClusterBootstrap: [{Node}] was here a moment ago; making sure that it has ended", watch.Incumbent.Key);
            _incumbent = watch.Incumbent;
            _incumbentReadAt = _time.GetTimestamp();
            LookAgain();
            return;
        }

        if (!_registered)
        {
            _registered = true;
            _membership.StartHeartbeat(_node);
            if (_cluster.SelfMember.Status == MemberStatus.Up)
                _membership.MarkUp();
        }
        if (!UsesSeedNodes && !IsInCluster)
            switch (decision)
            {
                case BootstrapDecision.Join join:
                    Join([.. join.Seeds.Select(AddressOf)]);
                    break;
                case BootstrapDecision.Found found:
                    Join([_cluster.SelfAddress, .. found.Others.Select(AddressOf)]);
                    break;
                case BootstrapDecision.WaitForFounder wait:
                    _log.Debug("ClusterBootstrap: waiting for [{Founder}] to found the cluster", wait.Founder);
                    break;
            }
        LookAgain();
    }

    void Join(IReadOnlyList<Address> seeds)
    {
        if (_joining.SequenceEqual(seeds) && _time.GetElapsedTime(_joinedAt) < RepeatJoinAfter)
            return;
        if (_joining.SequenceEqual(seeds))
            _log.Warning(
                "ClusterBootstrap: [{Seeds}] did not let this node in yet. If they run, check that [{Self}] and they reach each other",
                string.Join(", ", seeds), _cluster.SelfAddress);
        else
            _log.Info("ClusterBootstrap: joining [{Seeds}]", string.Join(", ", seeds));
        _joining = seeds;
        _joinedAt = _time.GetTimestamp();
        _cluster.JoinSeedNodes(seeds);
    }

    void OnMember()
    {
        _log.Info("ClusterBootstrap: [{Node}] is a member of the cluster", _node.Key);
        _membership.MarkUp();
    }

    void OnFailure(Exception failure)
    {
        // The very first node of an installation looks before its migrations have made the table.
        var notMigrated = failure is Npgsql.PostgresException { SqlState: "42P01" };
        if (!notMigrated && (_complaint != failure.Message || _time.GetElapsedTime(_complainedAt) > RepeatComplaintAfter))
        {
            _log.Warning(failure, "ClusterBootstrap: waiting for the config database [{Reason}]", failure.Message);
            _complaint = failure.Message;
            _complainedAt = _time.GetTimestamp();
        }
        LookAgain();
    }

    void LookAgain() => Timers.StartSingleTimer(Look.Instance, Look.Instance, LookEvery);

    Address AddressOf(string hostPort) => HostPort.TryParse(hostPort, out var parsed)
        ? new Address(_cluster.SelfAddress.Protocol, _cluster.SelfAddress.System, parsed.Host, parsed.Port)
        : throw new FormatException($"'{hostPort}' is not host:port");

    sealed record Decided(BootstrapDecision Decision) : INoSerializationVerificationNeeded;

    sealed class Look : INoSerializationVerificationNeeded, IDeadLetterSuppression
    {
        public static readonly Look Instance = new();
    }

    sealed class BecameMember : INoSerializationVerificationNeeded, IDeadLetterSuppression
    {
        public static readonly BecameMember Instance = new();
    }
}
