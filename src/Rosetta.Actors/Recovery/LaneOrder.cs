using Rosetta.Store.Jobs;

namespace Rosetta.Actors.Recovery;

/// <summary>How an order is doing.</summary>
/// <param name="Status">Of the row: PENDING (it has not begun), EXECUTING, COMPLETED, FAILED or CANCELLED.</param>
/// <param name="Waiting">What it waits for.</param>
/// <param name="Error">May hold a server's words, which may quote values of rows: shown, never logged.</param>
/// <param name="Result">JSON.</param>
public sealed record RecoveryReport(string Status, RecoveryCounts Counts, string? Waiting = null, string? Error = null, string? Result = null)
{
    public bool HasEnded => Status is "COMPLETED" or "FAILED" or "CANCELLED";

    /// <summary>The order is about one change, which is not parked.</summary>
    public static RecoveryReport NotParked(string entry, RecoveryCounts counts) => new(
        "FAILED", counts, Error: $"No change {entry} is parked here: it was applied, superseded by a copy or a TRUNCATE, or discarded. GET dlq lists what there is.");
}

/// <summary>
/// An order on its way through a lane, whose programs come and go meanwhile: one at a time has it in hand. Thread-safe.
/// </summary>
/// <param name="report">Told of every change, from any thread.</param>
/// <param name="enough">Called off: it ends after the transaction at hand.</param>
public sealed class LaneOrder(RecoveryOrder order, Action<RecoveryReport> report, CancellationToken enough)
{
    enum State
    {
        Waiting,
        InHand,
        Ended,
    }

    readonly Lock _gate = new();
    State _state;
    RecoveryReport _last = new("PENDING", order.Counts);

    public RecoveryOrder Order => order;

    public CancellationToken Enough => enough;

    public bool HasEnded
    {
        get
        {
            lock (_gate)
                return _state == State.Ended;
        }
    }

    /// <summary>Takes it in hand; false when another one has it, or it has ended.</summary>
    public bool TryBegin() => TryMove(State.Waiting, State.InHand);

    /// <summary>Nobody has begun it, and nobody will.</summary>
    public bool TryCallOff() => TryMove(State.Waiting, State.Ended);

    /// <summary>How far it is.</summary>
    public void Progress(RecoveryCounts counts) => Tell(State.InHand, State.InHand, _ => new RecoveryReport("EXECUTING", counts));

    /// <summary>Whoever had it in hand lays it down; another one goes on with it.</summary>
    /// <param name="why">Null: the program has ended.</param>
    public void Rest(string? why) => Tell(State.InHand, State.Waiting, last => last with { Waiting = why });

    /// <summary>It has to wait.</summary>
    public void Wait(string why) => Tell(State.Waiting, State.Waiting, last => last with { Waiting = why });

    public void End(RecoveryReport last) => Tell(State.InHand, State.Ended, _ => last);

    bool TryMove(State from, State to)
    {
        lock (_gate)
        {
            if (_state != from)
                return false;
            _state = to;
            return true;
        }
    }

    void Tell(State from, State to, Func<RecoveryReport, RecoveryReport> next)
    {
        RecoveryReport told;
        lock (_gate)
        {
            if (_state != from)
                return;
            _state = to;
            _last = next(_last);
            // Laid down after it was called off: nobody takes it up again.
            if (_state == State.Waiting && enough.IsCancellationRequested)
                (_state, _last) = (State.Ended, _last with { Status = "CANCELLED", Waiting = null });
            told = _last;
        }

        report(told);
    }
}
