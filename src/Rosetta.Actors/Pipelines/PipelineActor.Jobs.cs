using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using Rosetta.Actors.Backfills;
using Rosetta.Actors.Recovery;
using Rosetta.Actors.Verification;
using Rosetta.Store.Jobs;

namespace Rosetta.Actors.Pipelines;

/// <content>Jobs: rows of the config database, each carried out by a child, so many at once. What an earlier incarnation had begun goes on first.</content>
public sealed partial class PipelineActor
{
    /// <summary>Longest time until a job is seen when no announcement comes.</summary>
    static readonly TimeSpan JobInterval = TimeSpan.FromSeconds(5);

    const int VerifyChunkRows = 50_000;

    readonly Dictionary<long, IActorRef> _backfills = [];
    readonly Dictionary<long, IActorRef> _verifies = [];
    readonly Dictionary<long, (long Destination, IActorRef Actor)> _recoveries = [];
    bool _looking;
    bool _lookAgain;

    void LookForJobs()
    {
        if (_phase != Phase.Running)
            return;
        if (_looking)
        {
            _lookAgain = true;
            return;
        }

        _looking = true;
        var generation = _generation;
        LookAsync().PipeTo(Self, failure: e => new JobsFound(generation, null, [], []));

        async Task<JobsFound> LookAsync()
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            var backfills = await _services.Backfills.OpenAsync(_id, limit.Token).ConfigureAwait(false);
            var verifies = await _services.Verifies.OpenAsync(_id, limit.Token).ConfigureAwait(false);
            return new JobsFound(generation, backfills, verifies, _services.Recovery is { } recovery ? await recovery.Orders.OpenAsync(_id, limit.Token).ConfigureAwait(false) : []);
        }
    }

    void OnJobsFound(JobsFound found)
    {
        _looking = false;
        if (_phase == Phase.Running && found.Generation == _generation && found.Backfills is { } jobs)
        {
            FollowJobs(jobs);
            FollowVerifies(found.Verifies);
            FollowRecoveries(found.Recoveries);
        }

        if (!_lookAgain)
            return;
        _lookAgain = false;
        LookForJobs();
    }

    void FollowJobs(ImmutableArray<BackfillJob> jobs)
    {
        // Called off, also by a hand that has closed the row.
        foreach (var (id, actor) in _backfills)
        {
            if (jobs.FirstOrDefault(j => j.Id == id) is not { IsCancelRequested: false })
                actor.Tell(JobMessages.Cancel.Instance);
        }

        var host = new JobHost(_id, _run!.Epoch, _run.LaneSource.Schema, _services.Time);
        foreach (var job in jobs.Where(j => !_backfills.ContainsKey(j.Id)).OrderBy(j => j.Status == "PENDING").ThenBy(j => j.Id))
        {
            if (_backfills.Count >= _services.Settings.BackfillJobs)
                return;
            _backfills[job.Id] = Context.Watch(Context.ActorOf(BackfillActor.Props(job, host, _services.Backfills), $"backfill-{job.Id}"));
        }
    }

    /// <summary>One at a time: each goes over whole tables.</summary>
    void FollowVerifies(ImmutableArray<VerifyRun> runs)
    {
        if (_verifies.Count > 0 || runs.IsEmpty)
            return;
        var (run, first) = (_run!, runs[0]);
        _verifies[first.Id] = Context.Watch(Context.ActorOf(
            VerifyActor.Props(
                first, new JobHost(_id, run.Epoch, run.LaneSource.Schema, _services.Time),
                destination => run.Plans[destination]?.Tables.Where(t => !t.Excluded).Select(t => t.Source).ToList(), _services.Verifies, _services.Requests, VerifyChunkRows),
            $"verify-{first.Id}"));
    }

    /// <summary>One at a time for each destination, in their order.</summary>
    void FollowRecoveries(ImmutableArray<RecoveryOrder> orders)
    {
        foreach (var (id, (_, actor)) in _recoveries)
        {
            if (orders.FirstOrDefault(o => o.Id == id) is not { IsCancelRequested: false })
                actor.Tell(JobMessages.Cancel.Instance);
        }

        foreach (var order in orders.GroupBy(o => o.DestinationId).Select(g => g.First()).Where(o => _recoveries.Values.All(r => r.Destination != o.DestinationId)))
        {
            var host = new JobHost(_id, _run!.Epoch, _run.LaneSource.Schema, _services.Time);
            _recoveries[order.Id] = (order.DestinationId, Context.Watch(Context.ActorOf(RecoveryActor.Props(order, host, _services.Recovery!.Orders), $"recovery-{order.Id}")));
        }
    }

    IEnumerable<IActorRef> JobActors => _backfills.Values.Concat(_verifies.Values).Concat(_recoveries.Values.Select(r => r.Actor));

    JobMessages.Lanes Lanes() => new((_run?.Definition.Destinations ?? [])
        .ToDictionary(d => d.Destination.Id, d => _destinations.TryGetValue(d.Destination.Id, out var attached) ? attached.Actor : null));

    void TellLanes()
    {
        var lanes = Lanes();
        foreach (var actor in JobActors)
            actor.Tell(lanes);
    }

    /// <summary>One of them has ended: the next has its turn.</summary>
    bool IsJob(IActorRef actor)
    {
        foreach (var children in (Dictionary<long, IActorRef>[])[_backfills, _verifies])
        {
            foreach (var (id, job) in children)
            {
                if (!job.Equals(actor))
                    continue;
                children.Remove(id);
                LookForJobs();
                return true;
            }
        }

        foreach (var (id, recovery) in _recoveries)
        {
            if (!recovery.Actor.Equals(actor))
                continue;
            _recoveries.Remove(id);
            LookForJobs();
            return true;
        }

        return false;
    }

    void StopJobs()
    {
        foreach (var actor in JobActors)
            Context.Stop(actor);
    }

    /// <summary>What was under way waits until the pipeline runs again. Not written: it shows as under way meanwhile.</summary>
    void SuspendJobs(long epoch)
    {
        _ = SuspendAsync();

        async Task SuspendAsync()
        {
            try
            {
                using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
                await _services.Backfills.SuspendAsync(_id, epoch, limit.Token).ConfigureAwait(false);
                await _services.Verifies.SuspendAsync(_id, epoch, limit.Token).ConfigureAwait(false);
                if (_services.Recovery is { } recovery)
                    await recovery.Orders.SuspendAsync(_id, epoch, limit.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (e is Store.Configuration.ConfigDatabaseUnavailableException or OperationCanceledException)
            {
                _log.Warning("Pipeline {Pipeline}: its jobs could not be shown as waiting: {Reason}", _id, e.Message);
            }
        }
    }
}
