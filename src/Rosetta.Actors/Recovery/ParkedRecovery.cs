using Rosetta.Actors.Destinations;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Recovery;

/// <summary>
/// Tries parked changes again from time to time, carries out what operators order about them, one order after the other, and shows what is parked. Lives as long as the
/// destination's session.
/// </summary>
/// <param name="changed">Called when <see cref="Failure"/> says why the session cannot go on.</param>
sealed class ParkedRecovery(LaneContext context, IDestinationSession session, LandingGate gate, ParkedMetrics metrics, Action changed, TimeProvider time) : IAsyncDisposable
{
    /// <summary>How soon an order that cannot go on is tried again.</summary>
    static readonly TimeSpan OrderRetry = TimeSpan.FromSeconds(2);

    readonly Lock _gate = new();
    readonly Queue<LaneOrder> _orders = [];
    readonly CancellationTokenSource _stop = new();
    readonly HashSet<TableName> _shown = [];
    readonly OrphanSweep? _sweep = context.Letters is { } kept
        ? new OrphanSweep(session, kept, (work, cancellationToken) => gate.PassAsync(context.Lane.Passed, work, cancellationToken)) : null;
    readonly TaskCompletionSource _firstRound = new(TaskCreationOptions.RunContinuationsAsynchronously);
    CancellationTokenSource _called = new();
    Task _running = Task.CompletedTask;
    DateTimeOffset _nextPass;
    bool _hasEnded;
    bool _isSettled;
    volatile Exception? _failure;

    /// <summary>Done when everything that can be applied now has been, as far as it is its turn, or it could not be tried.</summary>
    public Task FirstRound => _firstRound.Task;

    /// <summary>The session was found to be cut off; a stream without changes would not find out.</summary>
    public Exception? Failure => _failure;

    public void Start()
    {
        if (context.Letters is not { } letters)
            _firstRound.SetResult();
        else
            _running = Task.Run(() => RunAsync(letters), CancellationToken.None);
    }

    /// <summary>Has an order carried out after those that are there; a pass that is under way makes room for it.</summary>
    public void Take(LaneOrder order)
    {
        if (context.Letters?.Records is null)
        {
            if (order.TryBegin())
                order.End(new RecoveryReport("FAILED", order.Order.Counts, Error: "Nothing is parked at this destination: the node that runs the pipeline does not park changes."));
            return;
        }

        lock (_gate)
        {
            // The next session gets it.
            if (_hasEnded)
                return;
            _orders.Enqueue(order);
            _called.Cancel();
        }
    }

    async Task RunAsync(LaneLetters letters)
    {
        while (!_stop.IsCancellationRequested)
        {
            var called = Listen();
            Note();
            try
            {
                await SettleAsync(letters).ConfigureAwait(false);
                await CarryOutAsync(letters).ConfigureAwait(false);
                await SettleAsync(letters).ConfigureAwait(false);
                Show(time.GetUtcNow() >= _nextPass ? await PassAsync(letters, called).ConfigureAwait(false) : null);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                if (session.IsCutOff)
                {
                    _failure = e;
                    changed();
                    return;
                }

                // The store is away.
                Show(ErrorPolicy.ToFault(e));
                if (called.IsCancellationRequested)
                    called = CancellationToken.None;
                // What may have been done halfway is asked for again.
                _isSettled = false;
                _sweep!.Owe();
                _nextPass = time.GetUtcNow() + letters.Backoff.Interval;
            }

            _firstRound.TrySetResult();
            using var awake = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token, called);
            await Task.Delay(Pause(letters), time, awake.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Cancelled by the next order.</summary>
    CancellationToken Listen()
    {
        lock (_gate)
        {
            if (_called.IsCancellationRequested)
            {
                _called.Dispose();
                _called = new CancellationTokenSource();
            }

            return _called.Token;
        }
    }

    TimeSpan Pause(LaneLetters letters)
    {
        var pause = _nextPass - time.GetUtcNow();
        var least = pause > TimeSpan.Zero ? pause : TimeSpan.Zero;
        lock (_gate)
            return _orders.Count > 0 && OrderRetry < least ? OrderRetry : least < letters.Backoff.Interval ? least : letters.Backoff.Interval;
    }

    /// <summary>Before anything else is done: what an earlier incarnation, or an order that was cut off, has left half done.</summary>
    async Task SettleAsync(LaneLetters letters)
    {
        if (!_isSettled && letters.Records is { } records)
            await new AuditSettlement(session, letters, records).RunAsync(_stop.Token).ConfigureAwait(false);
        _isSettled = true;
        await _sweep!.RunIfOwedAsync(_stop.Token).ConfigureAwait(false);
    }

    async Task CarryOutAsync(LaneLetters letters)
    {
        while (Next() is { } order)
        {
            await new OrderRun(context, session, gate, letters, letters.Records!, metrics, time).RunAsync(order, _stop.Token).ConfigureAwait(false);
            lock (_gate)
                _orders.Dequeue();
            // One that was called off may have left a record open.
            _isSettled &= !order.Enough.IsCancellationRequested;
            Show(null);
        }
    }

    LaneOrder? Next()
    {
        lock (_gate)
            return _orders.TryPeek(out var order) ? order : null;
    }

    /// <param name="called">Ends after the transaction at hand: an order has come.</param>
    /// <returns>Why what failed could not be noted.</returns>
    async Task<Fault?> PassAsync(LaneLetters letters, CancellationToken called)
    {
        Fault? unnoted = null;
        if (session.Parked.Count > 0)
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token, called);
            var run = new RecoveryRun(
                session, letters.Store, letters.Queue, letters.Epoch, (work, _) => gate.PassAsync(context.Lane.Passed, work, either.Token), letters.Limits,
                group => letters.Backoff.IsDue(group, time.GetUtcNow()), time);
            try
            {
                await run.RunAsync(null, _stop.Token, called).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (called.IsCancellationRequested && !_stop.IsCancellationRequested)
            {
                // The order's turn; the pass goes on after it.
            }
            finally
            {
                metrics.CountRecovered(run.Tally.Recovered);
            }

            unnoted = run.Unnoted;
        }

        if (!called.IsCancellationRequested)
            _nextPass = time.GetUtcNow() + letters.Backoff.Interval;
        return unnoted;
    }

    void Note() => _shown.UnionWith(session.Parked.Keys);

    void Show(Fault? fault)
    {
        var parked = session.Parked;
        Note();
        foreach (var (table, isWhole) in parked)
        {
            context.Status.Change(table, t => t.State is not (TableState.Streaming or TableState.InsertOnly or TableState.Parked) ? t : t with
            {
                State = isWhole ? TableState.Parked : t.State == TableState.Parked ? TableState.Streaming : t.State,
                Error = fault is { } away ? $"Changes that could not be applied are parked, and cannot be tried again now: {away.Reason}"
                    : isWhole ? "All changes of this table are parked behind one that could not be applied: its rows cannot be told apart, or too many are parked."
                    : "Some changes could not be applied and are parked, with what came after them for the same rows.",
                Remedy = fault?.Remedy ?? "Mend what refuses them at the destination; they are tried again by themselves until they have had their tries, and at once by POST recover-dlq (rosetta dlq recover). GET dlq/summary says what they met.",
            });
        }

        foreach (var table in _shown.Where(t => !parked.ContainsKey(t)).ToList())
        {
            _shown.Remove(table);
            // By recovery; or by a TRUNCATE or a copy, which left the payloads.
            _sweep!.Owe();
            context.Status.Change(table, t => t.State == TableState.Error ? t : t with { State = t.State == TableState.Parked ? TableState.Streaming : t.State, Error = null, Remedy = null });
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        _firstRound.TrySetResult();
        lock (_gate)
            _hasEnded = true;
        _called.Dispose();
        _stop.Dispose();
    }
}
