using Rosetta.Core.Changes;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;

namespace Rosetta.Core.Lanes;

/// <summary>Handing a batch out, and what happens with lanes that have no room for it.</summary>
public sealed partial class LaneHub
{
    /// <summary>
    /// Gives the batch to every lane with a log. A full one is waited for as long as nobody is the worse for it; else for its grace, then it is
    /// detached. After an exception the main stream has to end: some lanes may have the batch and others not.
    /// </summary>
    public async ValueTask ConsumeAsync(ChangeBatch batch, CancellationToken cancellationToken)
    {
        List<FullLane>? full = null;
        lock (_gate)
        {
            // Ended from elsewhere while the reader was on its way here: there is nobody to give it to.
            if (!_running)
                return;
            if (_inHand is not null || _broken)
                throw new InvalidOperationException("A batch came although the one before it was not handed out to all.");
            _inHand = batch;
            foreach (var lane in _lanes.Values)
            {
                if (lane.Log is { } log && !log.TryAppend(batch))
                    (full ??= []).Add(new FullLane(lane, log));
            }
        }

        if (full is not null)
        {
            try
            {
                await WaitForAsync(full, batch, cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                // The batch is not ours any longer, and some have it and others not: nobody joins this stream now.
                lock (_gate)
                {
                    if (ReferenceEquals(_inHand, batch))
                        (_inHand, _broken) = (null, true);
                }

                throw;
            }
        }

        bool nobody;
        lock (_gate)
        {
            if (!ReferenceEquals(_inHand, batch))
                return;
            _inHand = null;
            _deliveredUpTo = Lsn.MaxOf(_deliveredUpTo, batch.DeliveredUpTo);
            _openAtEnd = batch.IsOpenAtEnd;
            if (!_openAtEnd && !_restart)
                JoinAll();
            nobody = NobodyListens();
        }

        if (nobody)
            _wanted();
    }

    async ValueTask WaitForAsync(List<FullLane> full, ChangeBatch batch, CancellationToken cancellationToken)
    {
        while (true)
        {
            bool othersWait;
            Task[] rooms;
            var limit = _options.Grace / 4;
            var detached = 0;
            lock (_gate)
            {
                // A lane that has another log by now has the batch in it.
                full.RemoveAll(f => f.Lane.Log != f.Log || f.Log.TryAppend(batch));
                othersWait = OthersWaitFor(full);
                detached = full.RemoveAll(f => !MayWaitFor(f.Lane, othersWait, ref limit));
                rooms = [.. full.Select(static f => f.Log.WhenRoom())];
            }

            for (; detached > 0; detached--)
                Failpoint.Hit(FailpointNames.LaneDetached);
            if (rooms.Length == 0)
                return;
            var began = _time.GetTimestamp();
            // In short stretches: who waits for whom changes meanwhile.
            await WithinAsync(Task.WhenAny(rooms), limit, cancellationToken).ConfigureAwait(false);
            if (othersWait)
            {
                foreach (var (lane, _) in full)
                    lane.HeldOthers(_time.GetElapsedTime(began));
            }
        }
    }

    /// <summary>False: it has been detached.</summary>
    bool MayWaitFor(Lane lane, bool othersWait, ref TimeSpan limit)
    {
        var patience = lane.Patience(_options.Grace);
        if (lane.Failing || (othersWait && patience <= TimeSpan.Zero))
        {
            TakeLog(lane);
            return false;
        }

        if (othersWait && patience < limit)
            limit = patience;
        return true;
    }

    /// <summary>Because the main stream stands still a lane has nothing to do, or one waits for a boundary or for another start.</summary>
    bool OthersWaitFor(List<FullLane> full)
    {
        if (_restart || _joining.Count > 0)
            return true;
        foreach (var lane in _lanes.Values)
        {
            if (lane.State == LaneState.Attached && (lane.Behind == TimeSpan.Zero || lane is { AwaitsMore: true, Log.UnreadBytes: 0 }) && !full.Exists(f => f.Lane == lane))
                return true;
        }

        return false;
    }

    async ValueTask WithinAsync(Task task, TimeSpan limit, CancellationToken cancellationToken)
    {
        // A timer of less than a millisecond would not wait at all.
        var atLeast = TimeSpan.FromMilliseconds(1);
        try
        {
            await task.WaitAsync(limit > atLeast ? limit : atLeast, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // The caller looks again.
        }
    }

    readonly record struct FullLane(Lane Lane, LaneLog Log);
}
