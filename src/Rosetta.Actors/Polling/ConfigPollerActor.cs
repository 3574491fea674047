using Akka.Actor;
using Akka.Event;
using Rosetta.Actors.Pipelines;
using Rosetta.Core.Pipelines;
using Rosetta.Store.Configuration;
using Rosetta.Store.Pipelines;

namespace Rosetta.Actors.Polling;

/// <summary>
/// The cluster's one reader of what should run: every 10 s, and at once when the config database announces a change, it tells each
/// pipeline's entity to run or to rest. All it says is idempotent, so two of them for a moment do no harm. While the config database is
/// away it says nothing, and pipelines go on as they are.
/// </summary>
public sealed class ConfigPollerActor : ReceiveActor, IWithTimers
{
    /// <summary>Longest time until a change is seen when no announcement comes.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    /// <summary>How often what is known is told again: an entity whose node died starts with the next message for it.</summary>
    static readonly TimeSpan TellAgainInterval = TimeSpan.FromSeconds(1);

    abstract record Own : INoSerializationVerificationNeeded, IDeadLetterSuppression;

    sealed record Poll : Own
    {
        public static readonly Poll Instance = new();
    }

    sealed record TellAgain : Own
    {
        public static readonly TellAgain Instance = new();
    }

    sealed record Found(IReadOnlyList<PipelineSummary> Pipelines, IReadOnlyCollection<long> WithRequests) : Own;

    sealed record Away(Exception Error) : Own;

    readonly PipelineRepository _pipelines;
    readonly Store.Requests.PipelineRequestRepository _requests;
    readonly ConfigListener _listener;
    readonly IActorRef _region;
    readonly ILoggingAdapter _log = Context.GetLogger();
    readonly CancellationTokenSource _stop = new();
    IReadOnlyList<PipelineSummary> _started = [];
    bool _polling;
    bool _again;
    bool _away;

    public ConfigPollerActor(
        PipelineRepository pipelines, Store.Requests.PipelineRequestRepository requests, ConfigListener listener, IActorRef region)
    {
        _pipelines = pipelines;
        _requests = requests;
        _listener = listener;
        _region = region;
        Receive<Poll>(_ => OnPoll());
        Receive<TellAgain>(_ => TellStarted());
        Receive<Found>(OnFound);
        Receive<Away>(OnAway);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart()
    {
        var self = Self;
        Timers.StartPeriodicTimer("poll", Poll.Instance, TimeSpan.Zero, Interval);
        Timers.StartPeriodicTimer("again", TellAgain.Instance, TellAgainInterval);
        var stop = _stop.Token;
        _ = Task.Run(() => _listener.RunAsync(_ => self.Tell(Poll.Instance), _ => { }, stop), CancellationToken.None);
    }

    protected override void PostStop()
    {
        _stop.Cancel();
        _stop.Dispose();
    }

    void OnPoll()
    {
        // Announcements that come while one poll runs are answered by one more.
        if (_polling)
        {
            _again = true;
            return;
        }

        _polling = true;
        PollAsync().PipeTo(Self, failure: e => new Away(e));
    }

    async Task<Found> PollAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        var pipelines = await _pipelines.SummariesAsync(limit.Token).ConfigureAwait(false);
        var requests = await _requests.PipelinesWithOpenAsync(limit.Token).ConfigureAwait(false);
        return new Found(pipelines, requests);
    }

    void OnFound(Found found)
    {
        if (_away)
            _log.Info("The config database answers again");
        _away = false;
        var before = _started;
        _started = [.. found.Pipelines.Where(p => p.Status == PipelineStatus.Start)];
        TellStarted();
        foreach (var pipeline in _started.Where(p => found.WithRequests.Contains(p.Id)))
            _region.Tell(new PipelineCommands.LookForRequests(pipeline.Id));
        // A pipeline that rests is told so at each poll, too: this poller may not be the one that saw it run. A deleted one is told once.
        var now = _started.Select(p => p.Id).ToHashSet();
        var resting = found.Pipelines.Where(p => p.Status != PipelineStatus.Start).Select(p => p.Id)
            .Concat(before.Select(p => p.Id).Where(id => !now.Contains(id)));
        foreach (var id in resting.Distinct())
            _region.Tell(new PipelineCommands.EnsureStopped(id));
        Done();
    }

    void TellStarted()
    {
        foreach (var pipeline in _started)
            _region.Tell(new PipelineCommands.EnsureRunning(pipeline.Id, pipeline.ConfigVersion));
    }

    void OnAway(Away away)
    {
        if (!_away)
            _log.Warning("The config database does not answer: {Reason}. Pipelines go on as they are", away.Error.Message);
        _away = true;
        Done();
    }

    void Done()
    {
        _polling = false;
        if (!_again)
            return;
        _again = false;
        OnPoll();
    }
}
