using System.Diagnostics;
using Rosetta.Core.Changes;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;

namespace Rosetta.Core.Lanes;

/// <summary>Why a pump came to its end without a failure.</summary>
public enum PumpEnd
{
    /// <summary>The log was closed: detached, or its stream ended.</summary>
    LogEnded,

    /// <summary>The position that was asked for has been passed.</summary>
    Reached,

    /// <summary>Interrupted between two groups.</summary>
    Interrupted,
}

/// <summary>
/// Moves batches from a log to where they are applied or kept. While a group is applied the next one gathers; at low load a change leaves at once, at high
/// load groups grow up to their bounds. A group ends at a transaction boundary unless one transaction alone is larger than the bounds.
/// </summary>
/// <param name="gate">Where chunks of tables wait for their place between two groups.</param>
public sealed class LanePump(Lane lane, ILaneSink sink, GroupBounds bounds, Applied applied, LandingGate gate)
{
    readonly List<ChangeBatch> _group = [];

    /// <summary>How far it has come.</summary>
    public Lsn Passed => sink.Passed;

    /// <summary>Told when everything that has come is applied, and it waits for more.</summary>
    public Action Idle { get; init; } = static () => { };

    /// <param name="log">Read from its cursor on.</param>
    /// <param name="until">Stop once this position has been passed; null to go on.</param>
    /// <param name="interrupt">Stops between two groups.</param>
    /// <param name="cancellationToken">Stops at once; the open group is not applied.</param>
    public async Task<PumpEnd> RunAsync(LaneLog log, Lsn? until, CancellationToken interrupt, CancellationToken cancellationToken)
    {
        using var wait = CancellationTokenSource.CreateLinkedTokenSource(interrupt, cancellationToken);
        var open = false;
        try
        {
            lane.Outstanding(log.UnreadBytes > 0);
            while (true)
            {
                if (!open)
                {
                    await gate.LandAsync(sink.Passed, cancellationToken).ConfigureAwait(false);
                    if (until is { } goal && sink.Passed >= goal)
                        return PumpEnd.Reached;
                    if (interrupt.IsCancellationRequested)
                        return PumpEnd.Interrupted;
                }

                bool gathered;
                try
                {
                    gathered = await GatherAsync(log, open, open ? cancellationToken : wait.Token, cancellationToken).ConfigureAwait(false);
                }
                catch (OperationCanceledException) when (interrupt.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
                {
                    // Only the wait for a group's first batch is interrupted: nothing has been read that was not applied. What follows is not
                    // for the thread that interrupts.
                    await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
                    return PumpEnd.Interrupted;
                }

                if (!gathered)
                {
                    await EndAsync(open, cancellationToken).ConfigureAwait(false);
                    return PumpEnd.LogEnded;
                }

                // Somebody came to the gate.
                if (_group.Count == 0)
                    continue;
                var group = new ApplyGroup(_group);
                open = group.IsOpenAtEnd;
                if (_group.TrueForAll(static b => b.IsEmpty))
                {
                    // Progress without changes: nothing to write, the lane simply has passed it.
                    Pass(log, group.DeliveredUpTo, 0);
                    ReleaseGroup();
                    continue;
                }

                lane.Outstanding(true);
                var began = Stopwatch.GetTimestamp();
                var result = await sink.ApplyAsync(group, cancellationToken).ConfigureAwait(false);
                if (!open)
                    Pass(log, group.DeliveredUpTo, result.LastCommitTime);
                applied(result, _group.Sum(static b => b.Size), Stopwatch.GetElapsedTime(began));
                ReleaseGroup();
            }
        }
        finally
        {
            ReleaseGroup();
        }
    }

    void Pass(LaneLog log, Lsn position, long lastCommitTime)
    {
        sink.Pass(position, lastCommitTime);
        log.Durable(position);
        lane.Outstanding(log.UnreadBytes > 0);
    }

    async ValueTask<bool> GatherAsync(LaneLog log, bool open, CancellationToken idle, CancellationToken cancellationToken)
    {
        long bytes = 0;
        var rows = 0;
        while (true)
        {
            while (!IsComplete(bytes, rows) && log.TryRead(out var batch))
            {
                _group.Add(batch!);
                bytes += batch!.Size;
                rows += batch.Changes.Length;
            }

            if (_group.Count > 0 && (!_group[^1].IsOpenAtEnd || bytes >= bounds.Bytes || rows >= bounds.Rows))
                return true;
            if (_group.Count == 0 && !open)
            {
                Idle();
                switch (await gate.IdleAsync(token => WaitAsync(log, token), sink.Passed, idle).ConfigureAwait(false))
                {
                    case null:
                        return true;
                    case false:
                        return DropTail();
                    default:
                        continue;
                }
            }

            // A piece of a transaction whose rest is on its way: a group is worth waiting for its end.
            if (!await WaitAsync(log, _group.Count > 0 ? cancellationToken : idle).ConfigureAwait(false))
                return DropTail();
        }
    }

    async ValueTask<bool> WaitAsync(LaneLog log, CancellationToken cancellationToken)
    {
        lane.AwaitsMore = true;
        try
        {
            return await log.WaitToReadAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            lane.AwaitsMore = false;
        }
    }

    // What began a group inside a transaction commits with that transaction's end, and a group that is full goes on to the next boundary if one has come:
    // otherwise a backlog of large transactions would keep one destination transaction open for ever.
    bool IsComplete(long bytes, int rows)
    {
        if (_group.Count == 0)
            return false;
        if (!_group[^1].IsOpenAtEnd)
            return bytes >= bounds.Bytes || rows >= bounds.Rows || _group[0].ContinuesAtStart;
        return bytes >= 2 * bounds.Bytes || rows >= 2 * bounds.Rows;
    }

    /// <summary>The stream ended inside a transaction: what is whole before it is still applied.</summary>
    bool DropTail()
    {
        while (_group.Count > 0 && _group[^1].IsOpenAtEnd)
        {
            _group[^1].Release();
            _group.RemoveAt(_group.Count - 1);
        }

        return _group.Count > 0;
    }

    async ValueTask EndAsync(bool open, CancellationToken cancellationToken)
    {
        ReleaseGroup();
        if (open)
            await sink.RollbackAsync(cancellationToken).ConfigureAwait(false);
    }

    void ReleaseGroup()
    {
        foreach (var batch in _group)
            batch.Release();
        _group.Clear();
    }
}

/// <summary>Told after each group, before it is let go.</summary>
/// <param name="bytes">Size of its batches.</param>
/// <param name="took">Time the destination took.</param>
public delegate void Applied(ApplyResult result, long bytes, TimeSpan took);

/// <param name="Rows">Changes in a group.</param>
/// <param name="Bytes">Bytes of batches in a group.</param>
public sealed record GroupBounds(int Rows, long Bytes)
{
    public static readonly GroupBounds Default = new(20_000, 4 << 20);
}
