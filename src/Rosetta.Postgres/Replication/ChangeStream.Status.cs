using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Replication;

public sealed partial class ChangeStream
{
    readonly TimeSpan _statusInterval;
    readonly Lock _statusGate = new();
    StandbyStatus _status;
    long _waitingSince;
    Task? _farewell;
    bool _isSilent;

    bool IsSilent => Volatile.Read(ref _isSilent);

    // Never shorter than the source needs to answer a few of our questions.
    TimeSpan SilenceLimit => TimeSpan.FromTicks(Math.Max(_options.SilenceLimit.Ticks, 3 * _statusInterval.Ticks));

    /// <summary>
    /// Tells the source how far we are; at any time, from any thread. Positions are exclusive ends; one below an earlier one is ignored, and
    /// nothing is acknowledged before the first call. What was told last is repeated by the timer.
    /// </summary>
    /// <param name="flushed">Durable everywhere: the source may forget what is before it.</param>
    /// <param name="requestReply">Ask the source for a keepalive at once: it tells how far the stream is.</param>
    /// <exception cref="PgConnectionException">The connection is lost.</exception>
    public ValueTask SendStatusAsync(
        Lsn written, Lsn flushed, Lsn applied, bool requestReply = false, CancellationToken cancellationToken = default)
    {
        StandbyStatus status;
        lock (_statusGate)
            status = _status = _status.Advance(Lsn.MaxOf(written, ReceivedLsn), flushed, applied);
        long clock = (_time.GetUtcNow() - TransactionSpan.Epoch).Ticks / TimeSpan.TicksPerMicrosecond;
        return _copy.SendAsync(status.ToMessage(clock, requestReply), cancellationToken);
    }

    ValueTask ReplyAsync()
    {
        _replyRequested = false;
        return SendStatusAsync(Lsn.Zero, Lsn.Zero, Lsn.Zero);
    }

    /// <summary>Repeats the status, and cuts the stream when the reader has waited for too long.</summary>
    async Task BeatAsync(CancellationTokenSource cut, CancellationToken finished)
    {
        using var timer = new PeriodicTimer(_statusInterval, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(finished))
            {
                if (HasBeenSilent)
                {
                    Volatile.Write(ref _isSilent, true);
                    await cut.CancelAsync();
                    return;
                }

                await SendStatusAsync(Lsn.Zero, Lsn.Zero, Lsn.Zero, requestReply: true, finished);
            }
        }
        catch (OperationCanceledException) when (finished.IsCancellationRequested)
        {
        }
        catch (PgConnectionException)
        {
            // The connection is broken with that, which the reader finds out and reports.
        }
    }

    // While the consumer blocks, what the source said may lie unread; it is silent only if nothing came.
    bool HasBeenSilent =>
        Volatile.Read(ref _pendingFill) is { IsCompleted: false }
        && Volatile.Read(ref _waitingSince) is > 0 and long since
        && _time.GetElapsedTime(since) > SilenceLimit;

    void BeginWaiting() => Volatile.Write(ref _waitingSince, Math.Max(1, _time.GetTimestamp()));

    void EndWaiting() => Volatile.Write(ref _waitingSince, 0);

    /// <summary>Tells the last status and asks the source to end the stream; from then on the time for that runs.</summary>
    Task BeginFarewellAsync(CancellationTokenSource cut)
    {
        lock (_statusGate)
            return _farewell ??= SayFarewellAsync(cut);
    }

    async Task SayFarewellAsync(CancellationTokenSource cut)
    {
        CancellationToken token = cut.Token;
        cut.CancelAfter(_options.FarewellTime);
        try
        {
            await SendStatusAsync(Lsn.Zero, Lsn.Zero, Lsn.Zero, cancellationToken: token);
            await _copy.SendDoneAsync(token);
        }
        catch (Exception e) when (e is PgException or OperationCanceledException)
        {
            // It is gone, or does not listen: the connection is cut instead.
        }
    }

    /// <summary>After a cancellation: reads until the source has ended the stream, without handing anything out.</summary>
    async Task EndAsync(CancellationTokenSource cut)
    {
        CancellationToken token = cut.Token;
        await BeginFarewellAsync(cut);
        try
        {
            if (_pendingFill is { } pending)
                await pending;
            _pendingFill = null;
            while (true)
            {
                while (_copy.TryRead(out _))
                {
                }

                if (_copy.IsEnded)
                    return;
                await _copy.FillAsync(token);
            }
        }
        catch (Exception e) when (e is PgException or OperationCanceledException)
        {
            // It is in the middle of a large transaction, or gone: the connection is cut, which frees the slot as well, only later.
        }
    }
}
