using Akka.Actor;
using Akka.Event;
using Akka.Persistence;
using Rosetta.Actors.Destinations;
using Rosetta.Core.Chunks;
using Rosetta.Core.Errors;
using Rosetta.Store.Jobs;

namespace Rosetta.Actors.Backfills;

/// <summary>
/// One backfill job, child of its pipeline's entity. Its journal holds the life cycle, the destinations hold what has landed, and the row in the config database
/// shows it. Gives the work to the chosen destinations and ends when all of them have.
/// </summary>
public sealed class BackfillActor : ReceivePersistentActor, IWithTimers
{
    sealed record Planned(BackfillPlan? Plan, Exception? Error) : INoSerializationVerificationNeeded, IDeadLetterSuppression;

    sealed record Reported(long Destination, IActorRef Lane, ChunkJobReport Report) : INoSerializationVerificationNeeded, IDeadLetterSuppression;

    sealed record Saved(bool IsLast, bool Accepted, Exception? Error) : INoSerializationVerificationNeeded, IDeadLetterSuppression;

    enum Tick
    {
        Plan,
        Save,
        SaveEnd,
        GiveUpWaiting,
    }

    static readonly TimeSpan SaveInterval = TimeSpan.FromSeconds(1);

    /// <summary>Cancelled, a destination that is away is waited for no longer than this; what it had begun ends by itself.</summary>
    static readonly TimeSpan CancelPatience = TimeSpan.FromSeconds(1.5);

    static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(2);

    readonly BackfillJob _job;
    readonly JobHost _host;
    readonly BackfillJobRepository _jobs;
    readonly ILoggingAdapter _log = Context.GetLogger();
    readonly CancellationTokenSource _enough = new();
    readonly Dictionary<long, IActorRef> _given = [];
    BackfillState _state = BackfillState.Pending;
    IReadOnlyDictionary<long, IActorRef?> _lanes = new Dictionary<long, IActorRef?>();
    BackfillPlan? _plan;
    BackfillTally _tally = new([]);
    (long Rows, long At)? _rateFrom;
    bool _begun;
    bool _ending;
    bool _changed;
    bool _saving;
    bool _savedBegun;

    public BackfillActor(BackfillJob job, JobHost host, BackfillJobRepository jobs)
    {
        _job = job;
        _host = host;
        _jobs = jobs;
        PersistenceId = $"backfill-{job.Id}";
        RecoverAny(e => _state = _state.Apply(e));
        Command<JobMessages.Lanes>(OnLanes);
        Command<JobMessages.Cancel>(_ => OnCancel());
        Command<Planned>(OnPlanned);
        Command<Reported>(OnReported);
        Command<Saved>(OnSaved);
        Command<Tick>(OnTick);
    }

    public override string PersistenceId { get; }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(BackfillJob job, JobHost host, BackfillJobRepository jobs) => Akka.Actor.Props.Create(() => new BackfillActor(job, host, jobs));

    protected override void PreStart()
    {
        base.PreStart();
        Context.Parent.Tell(JobMessages.WhichLanes.Instance);
    }

    protected override void PostStop()
    {
        // What a destination still does of it is of no use without somebody who is told.
        _enough.Cancel();
        _enough.Dispose();
        base.PostStop();
    }

    void OnLanes(JobMessages.Lanes lanes)
    {
        _lanes = lanes.Destinations;
        if (_begun)
        {
            Give();
            return;
        }

        _begun = true;
        if (_state.HasEnded)
            SaveEnd();
        else if (_job.IsCancelRequested)
            End("CANCELLED", null);
        else
            Plan();
    }

    void Plan()
    {
        PlanAsync().PipeTo(Self, failure: e => new Planned(null, e));

        async Task<Planned> PlanAsync()
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            return new Planned(await BackfillPlan.MakeAsync(_job, t => _host.Schema.DescribeAsync(t, limit.Token)).ConfigureAwait(false), null);
        }
    }

    void OnPlanned(Planned planned)
    {
        if (_ending)
            return;
        if (planned.Error is { } error)
        {
            _log.Warning("Backfill {Job} cannot read the source's catalog yet: {Reason}", _job.Id, ErrorPolicy.ToFault(error).ForLog);
            Timers.StartSingleTimer(Tick.Plan, Tick.Plan, RetryInterval);
            return;
        }

        _plan = planned.Plan!;
        var wanted = _state.Destinations ?? (IReadOnlyList<long>?)_job.DestinationIds ?? [.. _lanes.Keys];
        if (_plan.Error is { } refusal)
            End("FAILED", refusal);
        else if (wanted.Count == 0)
            End("FAILED", "The pipeline has no destination.");
        else if (_state.Destinations is null)
            Persist(new BackfillEvents.Started(_host.PipelineId, _job.Id, wanted, _host.Time.GetUtcNow()), Execute);
        else
            Persist(new BackfillEvents.Resumed(_host.PipelineId, _job.Id, _host.Time.GetUtcNow()), Execute);
    }

    void Execute(object happened)
    {
        _state = _state.Apply(happened);
        _log.Info("Backfill {Job} of {Table}: {Event}", _job.Id, _plan!.Table, happened is BackfillEvents.Started ? "started" : "resumed");
        _tally = new BackfillTally(_state.Destinations!);
        _changed = true;
        Save();
        Timers.StartPeriodicTimer(Tick.Save, Tick.Save, SaveInterval);
        Give();
    }

    void Give()
    {
        if (_ending || _plan is null || _state.Destinations is null)
            return;
        var self = Self;
        foreach (var id in _state.Destinations.Where(id => !_tally.HasEnded(id)))
        {
            if (!_lanes.TryGetValue(id, out var lane))
                _tally.Take(id, Refusal($"The pipeline has no destination {id}."));
            else if (lane is not null && !lane.Equals(_given.GetValueOrDefault(id)))
            {
                _given[id] = lane;
                lane.Tell(new DestinationActor.Do(new ChunkJob(
                    PersistenceId, _plan.Table, ChunkPurpose.Backfill, _plan.Condition, _job.BatchSize, r => self.Tell(new Reported(id, lane, r)), _enough.Token)));
            }
        }

        EndWhenAllHave();
    }

    ChunkJobReport Refusal(string reason) => new(PersistenceId, ChunkJobState.Failed, 0, null, 0, 0, 0, null, reason);

    void OnReported(Reported reported)
    {
        // A destination that was attached anew has the word.
        if (!reported.Lane.Equals(_given.GetValueOrDefault(reported.Destination)))
            return;
        _tally.Take(reported.Destination, reported.Report);
        _rateFrom ??= (_tally.RowsEverywhere, _host.Time.GetTimestamp());
        _changed = true;
        EndWhenAllHave();
        SaveThatItHasBegun();
    }

    // At once: a row that says PENDING is closed by who calls it off.
    void SaveThatItHasBegun()
    {
        if (!_ending && !_saving && !_savedBegun && _tally.HasBegun)
            Save();
    }

    void EndWhenAllHave()
    {
        if (!_ending && _state.Destinations is not null && _tally.AllHaveEnded)
            End(_tally.Outcome.Status, _tally.Outcome.Error);
    }

    void OnCancel()
    {
        if (_ending || _enough.IsCancellationRequested)
            return;
        _enough.Cancel();
        Timers.StartSingleTimer(Tick.GiveUpWaiting, Tick.GiveUpWaiting, CancelPatience);
    }

    void OnTick(Tick tick)
    {
        switch (tick)
        {
            case Tick.Plan:
                Plan();
                break;
            case Tick.Save when _changed && !_saving && !_ending:
                Save();
                break;
            case Tick.SaveEnd:
                SaveEnd();
                break;
            case Tick.GiveUpWaiting when !_ending:
                End("CANCELLED", null);
                break;
        }
    }

    void End(string status, string? error)
    {
        _ending = true;
        Timers.CancelAll();
        Persist(new BackfillEvents.Ended(_host.PipelineId, _job.Id, status, error, _host.Time.GetUtcNow()), ended =>
        {
            _state = _state.Apply(ended);
            // The reason may quote values of rows: it is in the row, not in the log.
            _log.Info("Backfill {Job}: {Status} after {Rows} rows", _job.Id, status, _tally.Rows);
            SaveEnd();
        });
    }

    // Given to its destinations it waits until what they do before is done.
    void Save()
    {
        _savedBegun = _tally.HasBegun;
        Send(Row(_savedBegun ? _state.Status : BackfillState.Pending.Status), isLast: false);
    }

    void SaveEnd() => Send(Row(_state.Status), isLast: true);

    BackfillProgressRow Row(string status)
    {
        var knowsRows = _tally.Total is not null;
        double? rate = _rateFrom is { } from && _host.Time.GetElapsedTime(from.At) is { TotalSeconds: > 0 } elapsed
            ? Math.Round((_tally.RowsEverywhere - from.Rows) / elapsed.TotalSeconds / Math.Max(1, _state.Destinations?.Count ?? 1), 1) : null;
        return new BackfillProgressRow(
            _job.Id, _host.PipelineId, status, knowsRows ? _tally.Rows : _job.CountRecord, _tally.Total,
            status == "COMPLETED" ? 100 : knowsRows ? _tally.Progress : _job.Progress, rate, _state.Resumes, _state.Error);
    }

    void Send(BackfillProgressRow row, bool isLast)
    {
        _saving = true;
        _changed = false;
        SendAsync().PipeTo(Self, failure: e => new Saved(isLast, true, e));

        async Task<Saved> SendAsync()
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            return new Saved(isLast, await _jobs.SaveAsync(row, _host.Epoch, limit.Token).ConfigureAwait(false), null);
        }
    }

    void OnSaved(Saved saved)
    {
        _saving = false;
        if (saved.Error is not null)
        {
            _changed = true;
            if (saved.IsLast)
                Timers.StartSingleTimer(Tick.SaveEnd, Tick.SaveEnd, RetryInterval);
        }
        else if (saved.IsLast || !saved.Accepted)
            Context.Stop(Self);
        else
            SaveThatItHasBegun();
    }
}
