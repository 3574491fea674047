using Akka.Actor;
using Akka.Event;
using Rosetta.Actors.Destinations;
using Rosetta.Actors.Pipelines;
using Rosetta.Core.Errors;

namespace Rosetta.Actors.Replication;

/// <summary>
/// Owns the source's side of a running pipeline: the slot's stream, the catalog, the acknowledgements. Runs its program and decides after
/// a failure whether to try again soon, every 30 s (an operator must act), or never (fenced).
/// </summary>
public sealed class ReplicationActor : ReceiveActor, IWithTimers
{
    /// <summary>The hub has a lane that waits, or none that listens.</summary>
    public sealed record HubWanted : INoSerializationVerificationNeeded, IDeadLetterSuppression
    {
        public static readonly HubWanted Instance = new();
    }

    /// <summary>Tables or requests changed: read the catalog and plan anew.</summary>
    public sealed record Replan : INoSerializationVerificationNeeded
    {
        public static readonly Replan Instance = new();
    }

    /// <summary>Read no more; lanes get what was read and then the end of their logs.</summary>
    public sealed record StopReading : INoSerializationVerificationNeeded
    {
        public static readonly StopReading Instance = new();
    }

    /// <summary>The lanes are done: acknowledge what they reached, release the slot, answer <see cref="Drained"/> and stop.</summary>
    public sealed record Release : INoSerializationVerificationNeeded
    {
        public static readonly Release Instance = new();
    }

    public sealed record Drained : INoSerializationVerificationNeeded
    {
        public static readonly Drained Instance = new();
    }

    public sealed record Fenced : INoSerializationVerificationNeeded
    {
        public static readonly Fenced Instance = new();
    }

    /// <summary>To the pipeline: its resync has to begin anew, under new generations.</summary>
    public sealed record ResyncCut : INoSerializationVerificationNeeded
    {
        public static readonly ResyncCut Instance = new();
    }

    sealed record Begin : INoSerializationVerificationNeeded, IDeadLetterSuppression
    {
        public static readonly Begin Instance = new();
    }

    sealed record Ended(int Generation, Exception? Error) : INoSerializationVerificationNeeded, IDeadLetterSuppression;

    static readonly TimeSpan OperatorRetry = TimeSpan.FromSeconds(30);

    readonly PipelineRun _run;
    readonly ILoggingAdapter _log = Context.GetLogger();
    readonly RetryDelay _delay = new(TimeSpan.FromSeconds(10));
    readonly CancellationTokenSource _cut = new();
    SourceProgram? _program;
    int _generation;
    long _startedAt;
    bool _stopping;
    bool _releasing;

    public ReplicationActor(PipelineRun run)
    {
        _run = run;
        Receive<Begin>(_ => OnBegin());
        Receive<Ended>(OnEnded);
        Receive<HubWanted>(_ => _program?.Wake());
        Receive<Replan>(_ => _program?.Replan());
        Receive<StopReading>(_ =>
        {
            _stopping = true;
            Timers.CancelAll();
            _program?.StopReading();
            _run.Hub.MainEnded();
        });
        Receive<Release>(_ =>
        {
            _releasing = true;
            if (_program is null)
                Finish();
            else
                _program.Release();
        });
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(PipelineRun run) => Akka.Actor.Props.Create(() => new ReplicationActor(run));

    protected override void PreStart() => Self.Tell(Begin.Instance);

    protected override void PostStop()
    {
        _cut.Cancel();
        _cut.Dispose();
    }

    void OnBegin()
    {
        if (_stopping)
            return;
        var generation = ++_generation;
        var program = _program = new SourceProgram(_run, Logging.GetLogger(Context.System, "Rosetta.Source"));
        var token = _cut.Token;
        _startedAt = _run.Services.Time.GetTimestamp();
        Task.Run(() => program.RunAsync(token), CancellationToken.None)
            .PipeTo(Self, success: () => new Ended(generation, null), failure: e => new Ended(generation, e));
    }

    void OnEnded(Ended ended)
    {
        if (ended.Generation != _generation)
            return;
        _program = null;
        if (_stopping)
        {
            if (ended.Error is not null)
                _log.Warning("Pipeline {Pipeline}: the slot was released after a failure: {Reason}", _run.Definition.Id, ended.Error.Message);
            if (_releasing)
                Finish();
            return;
        }

        if (ended.Error is not { } error)
        {
            Timers.StartSingleTimer("begin", Begin.Instance, _delay.Next());
            return;
        }

        if (error is ResyncCutException)
        {
            _log.Warning("Pipeline {Pipeline}: {Reason}", _run.Definition.Id, error.Message);
            Context.Parent.Tell(ResyncCut.Instance);
            return;
        }

        var fault = ErrorPolicy.ToFault(error);
        if (fault.Class == ErrorClass.Fenced)
        {
            Context.Parent.Tell(Fenced.Instance);
            return;
        }

        if (_run.Services.Time.GetElapsedTime(_startedAt) > TimeSpan.FromMinutes(1))
            _delay.Reset();
        _run.Source.Fault = fault with { Remedy = fault.Remedy ?? "None needed if the source comes back; it is tried again by itself." };
        var wait = fault.Class == ErrorClass.Transient ? _delay.Next() : OperatorRetry;
        _log.Warning(
            error, "Pipeline {Pipeline}: the source's side stopped ({Class}): {Reason}. Trying again in {Seconds:0.0} s",
            _run.Definition.Id, fault.Class, fault.ForLog, wait.TotalSeconds);
        Timers.StartSingleTimer("begin", Begin.Instance, wait);
    }

    void Finish()
    {
        Context.Parent.Tell(Drained.Instance);
        Context.Stop(Self);
    }
}
