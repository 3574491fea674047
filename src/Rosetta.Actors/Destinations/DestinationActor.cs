using Akka.Actor;
using Akka.Event;
using Rosetta.Actors.Recovery;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;

namespace Rosetta.Actors.Destinations;

/// <summary>
/// Owns one destination of a running pipeline: runs its lane's program, and decides after a failure whether to try again soon (transient),
/// slowly (an operator must act) or never (fenced).
/// </summary>
public sealed partial class DestinationActor : ReceiveActor, IWithTimers
{
    /// <summary>The tables changed: look at the plan again.</summary>
    public sealed record Replan : INoSerializationVerificationNeeded
    {
        public static readonly Replan Instance = new();
    }

    /// <summary>Come to an end; answered by the actor's termination.</summary>
    /// <param name="Remove">The destination was taken out of the pipeline: what it stores about this pipeline goes.</param>
    public sealed record Stop(bool Remove) : INoSerializationVerificationNeeded;

    /// <summary>Told to the parent: a newer incarnation has this destination.</summary>
    public sealed record Fenced(long DestinationId) : INoSerializationVerificationNeeded;

    /// <summary>
    /// Have a job done; it is told of again to each new program of this lane until it has ended. A second one of the same name waits until the first has ended.
    /// </summary>
    public sealed record Do(ChunkJob Job) : INoSerializationVerificationNeeded;

    /// <summary>Have an order about parked changes carried out; it is told of again to each new program of this lane until it has ended.</summary>
    public sealed record Recover(LaneOrder Order) : INoSerializationVerificationNeeded;

    sealed record JobEnded(string Id) : INoSerializationVerificationNeeded, IDeadLetterSuppression;

    sealed record Begin : INoSerializationVerificationNeeded, IDeadLetterSuppression
    {
        public static readonly Begin Instance = new();
    }

    sealed record Ended(int Generation, Exception? Error) : INoSerializationVerificationNeeded, IDeadLetterSuppression;

    sealed record Removed(Exception? Error) : INoSerializationVerificationNeeded, IDeadLetterSuppression;

    static readonly TimeSpan OperatorRetry = TimeSpan.FromSeconds(30);

    readonly LaneContext _context;
    readonly TimeProvider _time;
    readonly ILoggingAdapter _log = Context.GetLogger();
    readonly RetryDelay _delay = new(TimeSpan.FromSeconds(10));
    CancellationTokenSource _cut = new();
    readonly Dictionary<string, ChunkJob> _jobs = [];
    readonly Dictionary<string, Do> _next = [];
    readonly List<LaneOrder> _orders = [];
    LaneProgram? _program;
    LaneFailure _before;
    long _startedAt;
    int _generation;
    Stop? _stop;

    public DestinationActor(LaneContext context, TimeProvider time)
    {
        _context = context;
        _time = time;
        Receive<Begin>(_ => OnBegin());
        Receive<Ended>(OnEnded);
        Receive<Replan>(_ => _program?.Replan());
        Receive<Stop>(OnStop);
        Receive<Do>(OnDo);
        Receive<JobEnded>(OnJobEnded);
        Receive<Spill>(_ => OnSpill());
        Receive<SpillEnded>(OnSpillEnded);
        Receive<Recover>(OnRecover);
        Receive<Removed>(removed =>
        {
            if (removed.Error is not null)
            {
                _log.Warning(
                    "[{Destination}] could not be told that it no longer belongs to pipeline {Pipeline}: {Reason}. Its rows in schema rosetta stay; they do no harm",
                    _context.Name, _context.PipelineId, removed.Error.Message);
            }

            Context.Stop(Self);
        });
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(LaneContext context, TimeProvider time) => Akka.Actor.Props.Create(() => new DestinationActor(context, time));

    protected override void PreStart() => Self.Tell(Begin.Instance);

    protected override void PostStop()
    {
        _cut.Cancel();
        _cut.Dispose();
    }

    void OnBegin()
    {
        if (_stop is not null)
            return;
        var generation = ++_generation;
        var program = _program = new LaneProgram(_context, _time, _before);
        foreach (var job in _jobs.Values)
            program.Do(job);
        _orders.RemoveAll(o => o.HasEnded);
        _orders.ForEach(program.Recover);
        var token = _cut.Token;
        _startedAt = _time.GetTimestamp();
        Task.Run(() => program.RunAsync(token), CancellationToken.None)
            .PipeTo(Self, success: () => new Ended(generation, null), failure: e => new Ended(generation, e));
    }

    void OnDo(Do order)
    {
        var self = Self;
        var job = order.Job with
        {
            Report = report =>
            {
                order.Job.Report(report);
                if (report.State != ChunkJobState.Running)
                    self.Tell(new JobEnded(report.Id));
            },
        };
        if (_jobs.TryAdd(job.Id, job))
            _program?.Do(job);
        else
            _next[job.Id] = order;
    }

    void OnRecover(Recover order)
    {
        _orders.RemoveAll(o => o.HasEnded);
        _orders.Add(order.Order);
        if (_context.Status.Fault is { } fault)
            order.Order.Wait(WaitsFor(fault));
        _program?.Recover(order.Order);
    }

    static string WaitsFor(Fault fault) => $"The destination is away; the order is carried out when it is back: {fault.Reason} {fault.Remedy}".TrimEnd();

    void OnJobEnded(JobEnded ended)
    {
        _jobs.Remove(ended.Id);
        if (_next.Remove(ended.Id, out var next))
            OnDo(next);
    }

    void OnEnded(Ended ended)
    {
        if (ended.Generation != _generation)
            return;
        _before = new LaneFailure(ended.Error is not null && _program!.HasOpened, ended.Error is DeadLetterStoreException);
        _program = null;
        if (_stop is not null)
        {
            FinishWhenDone();
            return;
        }

        if (ended.Error is null)
        {
            // The destination has no plan yet; it comes with the source.
            Timers.StartSingleTimer("begin", Begin.Instance, _delay.Next());
            return;
        }

        var fault = ErrorPolicy.ToFault(ended.Error);
        if (fault.Class == ErrorClass.Fenced)
        {
            _log.Warning("[{Destination}] {Reason}", _context.Name, fault.ForLog);
            Context.Parent.Tell(new Fenced(_context.DestinationId));
            return;
        }

        if (_time.GetElapsedTime(_startedAt) > TimeSpan.FromMinutes(1))
            _delay.Reset();
        _context.Lane.Failing = true;
        _context.Metrics.Restarted();
        _context.Status.Fault = fault with { Remedy = fault.Remedy ?? RemedyFor(fault) };
        _orders.ForEach(o => o.Wait(WaitsFor(_context.Status.Fault)));
        var wait = fault.Class == ErrorClass.Transient ? _delay.Next() : OperatorRetry;
        _log.Warning(
            ended.Error, "[{Destination}] stopped ({Class}): {Reason}. Trying again in {Seconds:0.0} s", _context.Name, fault.Class, fault.ForLog, wait.TotalSeconds);
        Timers.StartSingleTimer("begin", Begin.Instance, wait);
    }

    string RemedyFor(Fault fault) => fault.Class switch
    {
        ErrorClass.Transient => "None needed if the destination comes back; it is tried again by itself.",
        _ => $"Mend the cause at the destination (POST /destinations/{_context.DestinationId}/test-connection tells more); it is tried again every {OperatorRetry.TotalSeconds:0} s.",
    };

    void OnStop(Stop stop)
    {
        _stop = stop;
        Timers.CancelAll();
        _context.Spill?.StopWriting();
        if (_program is null && !_isSpilling)
        {
            Finish();
            return;
        }

        _program?.Stop();
        // What the drain does not reach in time is left where it is: the position says so.
        _cut.CancelAfter(stop.Remove ? TimeSpan.Zero : _context.DrainTimeout);
    }

    void FinishWhenDone()
    {
        if (_program is null && !_isSpilling)
            Finish();
    }

    void Finish()
    {
        // Only a removed destination stops being a hold on the slot: any other comes back at its position.
        if (_stop is not { Remove: true })
        {
            _context.Hub.Detach(_context.Lane);
            Context.Stop(Self);
            return;
        }

        _context.Hub.Unregister(_context.Lane);
        RemoveAsync().PipeTo(Self, success: () => new Removed(null), failure: e => new Removed(e));
    }

    async Task RemoveAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        await using var session = await _context.Destination.OpenAsync(_context.Opening, limit.Token).ConfigureAwait(false);
        await session.RemoveAsync(limit.Token).ConfigureAwait(false);
    }
}
