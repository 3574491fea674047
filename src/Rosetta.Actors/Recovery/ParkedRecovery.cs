using Rosetta.Actors.Destinations;
using Rosetta.Core.Chunks;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Recovery;

/// <summary>
/// Tries parked changes again from time to time, each less and less often until it has had its tries, and shows what is parked. Lives as long as the
/// destination's session.
/// </summary>
sealed class ParkedRecovery(LaneContext context, IDestinationSession session, LandingGate gate, ParkedMetrics metrics, TimeProvider time) : IAsyncDisposable
{
    static readonly TimeSpan LongestPause = TimeSpan.FromHours(1);

    readonly CancellationTokenSource _stop = new();
    readonly HashSet<TableName> _shown = [];
    Task _running = Task.CompletedTask;
    bool _isSwept;
    long _supersedings;

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
                // What chunks supersede leaves payloads too.
                var supersedings = session.Supersedings;
                if (!_isSwept || supersedings != _supersedings)
                    await new OrphanSweep(session, letters).RunAsync(_stop.Token).ConfigureAwait(false);
                (_isSwept, _supersedings) = (true, supersedings);
                if (session.Parked.Count > 0)
                    await RecoverAsync(letters).ConfigureAwait(false);
                Show(null);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // The store is away, or the session has ended, which the lane finds out by itself.
                Show(ErrorPolicy.ToFault(e));
            }

            await Task.Delay(letters.Interval, time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    async Task RecoverAsync(LaneLetters letters)
    {
        var tally = await new RecoveryRun(
            session, letters.Store, letters.Queue, letters.Epoch, (work, token) => gate.PassAsync(context.Lane.Passed, work, token), letters.Limits, IsDue, time).RunAsync(null, _stop.Token).ConfigureAwait(false);
        metrics.CountRecovered(tally.Recovered);
    }

    bool IsDue(DeadLetter letter)
    {
        var letters = context.Letters!;
        if (letter.Failure is null || letter.Tries >= letters.Tries)
            return false;
        var pause = letters.Interval * Math.Pow(2, letter.Tries);
        return letter.LastTriedAt is not { } last || time.GetUtcNow() - last >= (pause < LongestPause ? pause : LongestPause) - (letters.Interval / 2);
    }

    void Show(Fault? fault)
    {
        var parked = session.Parked;
        foreach (var (table, isWhole) in parked)
        {
            _shown.Add(table);
            context.Status.Change(table, t => t.State is not (TableState.Streaming or TableState.InsertOnly or TableState.Parked) ? t : t with
            {
                State = isWhole ? TableState.Parked : t.State == TableState.Parked ? TableState.Streaming : t.State,
                Error = fault is { } away ? $"Changes that could not be applied are parked, and cannot be tried again now: {away.Reason}"
                    : isWhole ? "All changes of this table are parked behind one that could not be applied: its rows cannot be told apart, or too many are parked."
                    : "Some changes could not be applied and are parked, with what came after them for the same rows.",
                Remedy = fault?.Remedy ?? "Mend what refuses them at the destination; they are tried again by themselves.",
            });
        }

        foreach (var table in _shown.Where(t => !parked.ContainsKey(t)).ToList())
        {
            _shown.Remove(table);
            // By recovery; or by a TRUNCATE or a copy, which left the payloads.
            _isSwept = false;
            context.Status.Change(table, t => t.State == TableState.Error ? t : t with { State = t.State == TableState.Parked ? TableState.Streaming : t.State, Error = null, Remedy = null });
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        _stop.Dispose();
    }
}
