using Rosetta.Actors.Destinations;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Destinations;

namespace Rosetta.Actors.Recovery;

/// <summary>
/// Counts what is parked at a destination, about once a second while something is, and tells of changes that have waited too long. Looks from time to time whether
/// the store may be used at all, so that it is known before it is needed. Lives as long as the destination's session.
/// </summary>
sealed class ParkedGauge(LaneContext context, IDestinationSession session, ParkedMetrics metrics, TimeProvider time) : IAsyncDisposable
{
    static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    static readonly TimeSpan SizePause = TimeSpan.FromSeconds(10);
    static readonly TimeSpan CheckPause = TimeSpan.FromMinutes(1);
    static readonly TimeSpan FaultPause = TimeSpan.FromSeconds(2);
    static readonly TimeSpan NoticePause = TimeSpan.FromDays(1);

    /// <summary>A look that takes long is taken less often: it takes this part of the time, at most.</summary>
    const double Share = 0.02;

    readonly CancellationTokenSource _stop = new();
    Task _running = Task.CompletedTask;
    ParkedFigures _now = ParkedFigures.None;
    bool _isCounted;
    DateTimeOffset _countAt;
    DateTimeOffset _sizeAt;
    DateTimeOffset _checkAt;
    DateTimeOffset _noticeAt;

    public void Start()
    {
        if (context.Letters is { } letters)
            _running = Task.Run(() => RunAsync(letters), CancellationToken.None);
    }

    async Task RunAsync(LaneLetters letters)
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                if (IsDue(_checkAt))
                    await CheckAsync(letters).ConfigureAwait(false);
                if (IsDue(_countAt) && (!_isCounted || _now.Changes > 0 || session.Parked.Count > 0))
                    _countAt = await TimeAsync(Pause, () => CountAsync(letters)).ConfigureAwait(false);
                if (IsDue(_noticeAt) && _now.Oldest is { } oldest && time.GetUtcNow() - oldest > letters.MaxAge)
                {
                    await letters.Notify(_now, _stop.Token).ConfigureAwait(false);
                    _noticeAt = time.GetUtcNow() + NoticePause;
                }
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // The store or the config database is away, which is shown where it matters; or the session has ended, which the lane finds out by itself.
                _countAt = time.GetUtcNow() + SizePause;
                if (e is DeadLetterStoreException store)
                    (context.Status.StoreFault, _checkAt) = (store.Fault, time.GetUtcNow() + FaultPause);
            }

            await Task.Delay(Pause, time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    async Task CheckAsync(LaneLetters letters)
    {
        var fault = await letters.Store.CheckAsync(_stop.Token).ConfigureAwait(false);
        context.Status.StoreFault = fault;
        _checkAt = time.GetUtcNow() + (fault is null ? CheckPause : FaultPause);
    }

    async Task CountAsync(LaneLetters letters)
    {
        var count = await session.CountParkedAsync(_stop.Token).ConfigureAwait(false);
        _now = _now with { Changes = count.Changes, Oldest = count.Oldest, Bytes = count.Changes == 0 ? 0 : _now.Bytes };
        _isCounted = true;
        context.Status.Parked = _now.Changes;
        metrics.Show(_now);
        if (count.Changes == 0 || !IsDue(_sizeAt))
            return;
        _sizeAt = await TimeAsync(SizePause, async () =>
            _now = _now with { Bytes = (await letters.Store.SummarizeAsync(letters.Queue, _stop.Token).ConfigureAwait(false)).Sum(g => g.Bytes) }).ConfigureAwait(false);
        metrics.Show(_now);
    }

    bool IsDue(DateTimeOffset at) => time.GetUtcNow() >= at;

    /// <summary>Does something, and says when it may be done again.</summary>
    async Task<DateTimeOffset> TimeAsync(TimeSpan least, Func<Task> work)
    {
        var began = time.GetTimestamp();
        await work().ConfigureAwait(false);
        var rest = time.GetElapsedTime(began) / Share;
        return time.GetUtcNow() + (rest > least ? rest : least);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        _stop.Dispose();
        metrics.Dispose();
    }
}
