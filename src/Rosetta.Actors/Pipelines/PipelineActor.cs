using Akka.Actor;
using Akka.Event;
using Rosetta.Actors.Backfills;
using Rosetta.Actors.Destinations;
using Rosetta.Actors.Recovery;
using Rosetta.Actors.Replication;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Destinations;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Lanes;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Runtime;

namespace Rosetta.Actors.Pipelines;

/// <summary>
/// The entity of one pipeline: takes an epoch, runs the source's side and one actor per destination, reports about once a second, and
/// stops them in order. It takes one epoch per start; when it learns that a newer one was issued it ends.
/// </summary>
public sealed partial class PipelineActor : ReceiveActor, IWithTimers
{
    static readonly TimeSpan ReportInterval = TimeSpan.FromSeconds(1);
    static readonly TimeSpan LoadLimit = TimeSpan.FromSeconds(30);

    readonly long _id;
    readonly PipelineServices _services;
    readonly ILoggingAdapter _log = Context.GetLogger();
    readonly RetryDelay _delay = new(TimeSpan.FromSeconds(10));
    readonly Dictionary<long, Attached> _destinations = [];
    readonly Dictionary<long, IActorRef> _leaving = [];
    readonly string _node = Akka.Cluster.Cluster.Get(Context.System).SelfAddress.ToString();
    IActorRef? _replication;
    PipelineRun? _run;
    Phase _phase = Phase.Idle;
    After _after = After.Passivate;
    int _generation;
    long _wantedVersion;

    public PipelineActor(long id, PipelineServices services)
    {
        _id = id;
        _services = services;
        _account = new PipelineAccount(services.Time, _node);
        _reports = new ReportSender((report, cancellationToken) => services.Reports.SaveAsync(report, cancellationToken));
        Receive<PipelineCommands.EnsureRunning>(OnEnsureRunning);
        Receive<PipelineCommands.EnsureStopped>(_ => StopThen(After.Passivate));
        Receive<PipelineCommands.HandOff>(_ => StopThen(After.Stop));
        Receive<PipelineCommands.LookForRequests>(_ =>
        {
            LookForRequests();
            LookForJobs();
        });
        Receive<Loaded>(OnLoaded);
        Receive<LoadFailed>(OnLoadFailed);
        Receive<Retry>(_ => Load());
        Receive<Reloaded>(OnReloaded);
        Receive<RequestsFound>(OnRequests);
        Receive<RequestFinished>(OnRequestFinished);
        Receive<TableOrderDone>(OnTableOrderDone);
        Receive<PlansChanged>(OnPlansChanged);
        Receive<SpillWanted>(OnSpillWanted);
        Receive<LeftoversRemoved>(OnLeftoversRemoved);
        Receive<Refreshed>(OnRefreshed);
        Receive<JobTick>(_ => LookForJobs());
        Receive<JobsFound>(OnJobsFound);
        Receive<JobMessages.WhichLanes>(_ => Sender.Tell(Lanes()));
        Receive<ReportTick>(_ => Report());
        Receive<FlowTick>(_ => RecordFlows());
        Receive<FlowsRecorded>(OnFlowsRecorded);
        Receive<Reported>(OnReported);
        Receive<DestinationActor.Fenced>(_ => OnFenced());
        Receive<ReplicationActor.Fenced>(_ => OnFenced());
        Receive<ReplicationActor.ResyncCut>(_ => BeginResyncsAnew());
        Receive<ResyncsReopened>(OnResyncsReopened);
        Receive<ReplicationActor.Drained>(_ => OnDrained());
        Receive<Terminated>(OnTerminated);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(long id, PipelineServices services) => Akka.Actor.Props.Create(() => new PipelineActor(id, services));

    protected override void PostStop() => _run?.Dispose();

    void OnEnsureRunning(PipelineCommands.EnsureRunning command)
    {
        _wantedVersion = Math.Max(_wantedVersion, command.ConfigVersion);
        if (_phase == Phase.Idle)
            Load();
        else if (_phase == Phase.Running && _run!.Definition.ConfigVersion < _wantedVersion)
            Reload();
        else if (_phase == Phase.Stopping && _after == After.Passivate)
            _after = After.Load;
    }

    void Load()
    {
        _phase = Phase.Loading;
        var generation = ++_generation;
        LoadAsync(generation).PipeTo(Self, failure: e => new LoadFailed(generation, e));
    }

    async Task<Loaded> LoadAsync(int generation)
    {
        using var limit = new CancellationTokenSource(LoadLimit);
        var definition = await _services.Pipelines.FindAsync(_id, limit.Token).ConfigureAwait(false);
        if (definition is not { Status: PipelineStatus.Start })
            return new Loaded(generation, null, 0, []);
        if (await _services.Epochs.IssueAsync(_id, _node, limit.Token).ConfigureAwait(false) is not { } epoch)
            return new Loaded(generation, null, 0, []);
        Failpoint.Hit(FailpointNames.EpochIssued);
        var requests = await _services.Requests.OpenAsync(_id, limit.Token).ConfigureAwait(false);
        var begun = await BeginResyncsAsync(requests, epoch, limit.Token).ConfigureAwait(false);
        if (begun)
            definition = await _services.Pipelines.FindAsync(_id, limit.Token).ConfigureAwait(false);
        // The epoch is ours: nobody writes to them any more.
        var spilled = _services.Spill is { } spill ? await spill.ListAsync(_id, limit.Token).ConfigureAwait(false) : [];
        return new Loaded(generation, definition, epoch, requests, begun) { Spilled = spilled };
    }

    void OnLoadFailed(LoadFailed failed)
    {
        if (failed.Generation != _generation || _phase != Phase.Loading)
            return;
        var wait = _delay.Next();
        var reason = failed.Error is OperationCanceledException
            ? $"no answer within {LoadLimit.TotalSeconds:0} s; another connection to it may hold a lock (pg_stat_activity says which)"
            : failed.Error.Message;
        _log.Warning("Pipeline {Pipeline} cannot be taken over from the config database: {Reason}. Trying again in {Seconds:0.0} s", _id, reason, wait.TotalSeconds);
        Timers.StartSingleTimer("load", Retry.Instance, wait);
    }

    void OnLoaded(Loaded loaded)
    {
        if (loaded.Generation != _generation || _phase != Phase.Loading)
            return;
        if (loaded.Definition is not { } definition)
        {
            _phase = Phase.Idle;
            StopThen(After.Passivate);
            return;
        }

        _delay.Reset();
        _phase = Phase.Running;
        _log.Info("Pipeline {Pipeline} [{Name}] starts with epoch {Epoch}", _id, definition.Name, loaded.Epoch);
        var started = new StartedReplication();
        var run = _run = new PipelineRun(definition, loaded.Epoch, _services, started.Wanted);
        run.ResyncsAreFresh = loaded.ResyncsAreFresh;
        _replication = Context.Watch(Context.ActorOf(ReplicationActor.Props(run), $"replication-{loaded.Epoch}"));
        started.Actor = _replication;
        var self = Self;
        run.PlansChanged = ids => self.Tell(new PlansChanged(run.Epoch, ids));
        run.SpillWanted = ids => self.Tell(new SpillWanted(run.Epoch, ids));
        run.Spilled = loaded.Spilled;
        run.Refreshes.Done = ids => self.Tell(new Refreshed(run.Epoch, ids));
        // What an earlier incarnation left open is found again, and belongs to this one.
        ForgetRequests();
        OnRequests(new RequestsFound(_generation, loaded.Requests));
        AttachMissing();
        RemoveLeftovers();
        Timers.StartPeriodicTimer("report", ReportTick.Instance, TimeSpan.FromMilliseconds(50), ReportInterval);
        _flows = new FlowMeter();
        Timers.StartPeriodicTimer("flows", FlowTick.Instance, FlowInterval, FlowInterval);
        Timers.StartPeriodicTimer("jobs", JobTick.Instance, TimeSpan.Zero, JobInterval);
    }

    void Attach(PipelineDestination attached)
    {
        var run = _run!;
        var id = attached.Destination.Id;
        var self = Self;
        var status = new DestinationStatus(_services.Time);
        var (lane, spill) = Register(run, attached);
        status.Spill = spill;
        var letters = _services.DeadLetters is { } store
            ? new LaneLetters(store, new DeadLetterQueue(run.Definition.Source.Id, _id, id, attached.Generation), run.Epoch, new RecoveryBackoff(_services.Settings.RecoveryInterval, _services.Settings.RecoveryTries))
            {
                Records = _services.Recovery,
                Limits = RecoveryLimits.Default with { Groups = _services.Settings.RecoveryBatch },
                MaxAge = _services.Settings.RecoveryMaxAge,
                Notify = new ParkedNotice(_services.Notifications, _services.Settings.RecoveryMaxAge, _id, attached.Destination).RaiseAsync,
            }
            : null;
        var context = new LaneContext(
            _id, id, attached.Destination.Name, _services.OpenDestination(attached.Destination),
            new DestinationOpening(_services.Installation, _id, attached.Generation, run.Epoch, Lsn.Zero, run.LaneSource.Schema)
            {
                DestinationId = id,
                WithIndexes = _services.Settings.WithIndexes,
                Parking = letters?.Parking,
                Attachments = new ConfiguredAttachments(_services.Pipelines),
            },
            run.Hub, lane, run.Plans, run.LaneSource, status, new LaneMetrics(run.Definition.Name, attached.Destination.Name),
            new GroupBounds(_services.Settings.GroupRows, _services.Settings.GroupBytes), _services.Settings.PoolMaxConnections,
            _services.Settings.DrainTimeout,
            (table, order, error) => self.Tell(new TableOrderDone(run.Epoch, id, table, order, error)),
            position => run.Stored[id] = new RestedOn(id, attached.Generation, position),
            plan => run.DriftsStored[id] = plan)
        {
            Letters = letters,
            Spill = spill,
            ChunkRows = _services.Settings.ChunkRows,
            RangedFrom = _services.Settings.RangedFrom,
            SnapshotBudget = _services.Settings.SnapshotBudget,
            SnapshotWal = _services.Settings.SnapshotWal,
            Retained = () => run.Source.RetainedBytes,
            Pace = run.CopyPace,
            Holds = tables => run.Held[id] = tables,
        };
        var actor = Context.Watch(Context.ActorOf(DestinationActor.Props(context, _services.Time), $"destination-{id}-{run.Epoch}-{attached.Generation:N}"));
        _destinations[id] = new Attached(actor, status, lane, attached);
    }

    void Reload()
    {
        var generation = _generation;
        ReloadAsync().PipeTo(Self, failure: e => new Reloaded(generation, null, e));

        async Task<Reloaded> ReloadAsync()
        {
            using var limit = new CancellationTokenSource(LoadLimit);
            return new Reloaded(generation, await _services.Pipelines.FindAsync(_id, limit.Token).ConfigureAwait(false), null);
        }
    }

    /// <summary>A changed definition of a running pipeline: destinations come and go, what concerns the source restarts everything.</summary>
    void OnReloaded(Reloaded reloaded)
    {
        // A read that failed comes again with the next poll: the version is still the old one.
        if (reloaded.Generation != _generation || _phase != Phase.Running || reloaded.Definition is not { Status: PipelineStatus.Start } now)
            return;
        var before = _run!.Definition;
        if (now.ConfigVersion <= before.ConfigVersion)
            return;
        _run.Definition = now;
        if (!now.Source.Equals(before.Source))
        {
            _log.Info("Pipeline {Pipeline}: its source changed; it starts anew", _id);
            StopThen(After.Load);
            return;
        }

        foreach (var (id, attached) in _destinations.ToList())
        {
            var wanted = now.Destinations.FirstOrDefault(d => d.Destination.Id == id);
            if (wanted is null || wanted.Generation != attached.Definition.Generation)
                Detach(id, attached, remove: true);
            else if (wanted.Destination.UpdatedAt != attached.Definition.Destination.UpdatedAt)
                Detach(id, attached, remove: false);
        }

        AttachMissing();
        _replication!.Tell(ReplicationActor.Replan.Instance);
    }

    void OnPlansChanged(PlansChanged changed)
    {
        if (_run?.Epoch != changed.Epoch)
            return;
        foreach (var id in changed.Destinations)
        {
            if (!_destinations.TryGetValue(id, out var attached))
                continue;
            if (_run.Plans[id] is { } plan)
                attached.Status.Announce(plan);
            attached.Actor.Tell(DestinationActor.Replan.Instance);
        }
    }

    /// <summary>A destination that is still leaving comes back only when it has left: two of one epoch would both be let in.</summary>
    void AttachMissing()
    {
        foreach (var wanted in _run!.Definition.Destinations)
        {
            if (!_destinations.ContainsKey(wanted.Destination.Id) && !_leaving.ContainsKey(wanted.Destination.Id))
                Attach(wanted);
        }

        TellLanes();
    }

    void Detach(long id, Attached attached, bool remove)
    {
        _destinations.Remove(id);
        _leaving[id] = attached.Actor;
        attached.Actor.Tell(new DestinationActor.Stop(remove));
    }

    /// <summary>Stops in order: the main stream first, so that the lanes run dry, then the lanes, then a last acknowledgement.</summary>
    void StopThen(After after)
    {
        if (_phase == Phase.Stopping)
        {
            // A hand-off is final; a start that came in between is not.
            if (_after != After.Stop)
                _after = after;
            return;
        }

        _after = after;
        Timers.CancelAll();
        ++_generation;
        if (_run is null)
        {
            Rest();
            return;
        }

        _phase = Phase.Stopping;
        _log.Info("Pipeline {Pipeline} [{Name}] stops: its lanes are drained", _id, _run.Definition.Name);
        Report();
        RecordFlows();
        StopJobs();
        Failpoint.Hit(FailpointNames.StopDraining);
        _replication!.Tell(ReplicationActor.StopReading.Instance);
        foreach (var attached in _destinations.Values)
            attached.Actor.Tell(new DestinationActor.Stop(false));
        ContinueStop();
    }

    void OnTerminated(Terminated terminated)
    {
        if (IsJob(terminated.ActorRef))
            return;
        foreach (var (id, attached) in _destinations)
        {
            if (attached.Actor.Equals(terminated.ActorRef))
            {
                _destinations.Remove(id);
                break;
            }
        }

        foreach (var (id, actor) in _leaving)
        {
            if (actor.Equals(terminated.ActorRef))
            {
                _leaving.Remove(id);
                RemoveLeftovers();
                break;
            }
        }

        if (_phase == Phase.Running && _replication is { } replication && !terminated.ActorRef.Equals(replication))
        {
            AttachMissing();
            replication.Tell(ReplicationActor.Replan.Instance);
        }

        if (_phase == Phase.Stopping)
            ContinueStop();
        else if (terminated.ActorRef.Equals(_replication))
            StopThen(After.Load);
    }

    void ContinueStop()
    {
        if (_destinations.Count == 0 && _leaving.Count == 0)
            _replication!.Tell(ReplicationActor.Release.Instance);
    }

    void OnDrained()
    {
        if (_phase != Phase.Stopping)
            return;
        Failpoint.Hit(FailpointNames.StopReleased);
        var run = _run!;
        _log.Info("Pipeline {Pipeline} [{Name}] has stopped", _id, run.Definition.Name);
        _run = null;
        _replication = null;
        run.Dispose();
        SendReport(_account.Stopped(run), run.Epoch);
        if (_after != After.Load)
            SuspendJobs(run.Epoch);
        Rest();
    }

    void Rest()
    {
        _phase = Phase.Idle;
        switch (_after)
        {
            case After.Load:
                Load();
                break;
            case After.Stop:
                Context.Stop(Self);
                break;
            default:
                Context.Parent.Tell(new Akka.Cluster.Sharding.Passivate(PoisonPill.Instance));
                break;
        }
    }

    /// <summary>A newer incarnation runs: nothing is drained, reported or acknowledged any more.</summary>
    void OnFenced()
    {
        if (_run is null)
            return;
        _log.Warning("Pipeline {Pipeline}: epoch {Epoch} is no longer the newest; this incarnation ends", _id, _run.Epoch);
        Context.Stop(Self);
    }

    sealed record Attached(IActorRef Actor, DestinationStatus Status, Lane Lane, PipelineDestination Definition);

    /// <summary>The hub exists before the actor it wakes.</summary>
    sealed class StartedReplication
    {
        public volatile IActorRef? Actor;

        public void Wanted() => Actor?.Tell(ReplicationActor.HubWanted.Instance);
    }
}
