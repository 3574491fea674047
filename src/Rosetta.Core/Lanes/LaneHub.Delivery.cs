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
        List<Lane>? full = null;
        lock (_gate)
        {
            // Ended from elsewhere while the reader was on its way here: there is nobody to give it to.
            if (!_running)
                return;
            if (_inHand is not null)
                throw new InvalidOperationException("A batch came before the one before it was handed out.");
            _inHand = batch;
            foreach (var lane in _lanes.Values)
            {
                if (lane.Log is { } log && !log.TryAppend(batch))
                    (full ??= []).Add(lane);
            }
        }

        if (full is not null)
            await WaitForAsync(full, batch, cancellationToken).ConfigureAwait(false);

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

    async ValueTask WaitForAsync(List<Lane> full, ChangeBatch batch, CancellationToken cancellationToken)
    {
        while (true)
        {
            bool othersWait;
            TimeSpan limit;
            var rooms = new List<Task>(full.Count);
            var detached = false;
            lock (_gate)
            {
                full.RemoveAll(lane => lane.Log is not { } log || log.TryAppend(batch));
                othersWait = OthersWaitFor(full);
                limit = _options.Grace / 4;
                foreach (var lane in full)
                {
                    var patience = lane.Patience(_options.Grace);
                    if (lane.Failing || (othersWait && patience <= TimeSpan.Zero))
                    {
                        TakeLog(lane);
                        detached = true;
                        continue;
                    }

                    if (othersWait && patience < limit)
                        limit = patience;
                    rooms.Add(lane.Log!.WhenRoom());
                }
            }

            if (detached)
                Failpoint.Hit(FailpointNames.LaneDetached);
            if (rooms.Count == 0)
                return;
            full.RemoveAll(static lane => lane.Log is null);
            var began = _time.GetTimestamp();
            // In short stretches: who waits for whom changes meanwhile.
            await WithinAsync(Task.WhenAny(rooms), limit, cancellationToken).ConfigureAwait(false);
            if (othersWait)
            {
                foreach (var lane in full)
                    lane.HeldOthers(_time.GetElapsedTime(began));
            }
        }
    }

    /// <summary>Because the main stream stands still a lane has nothing to do, or one waits for a boundary or for another start.</summary>
    bool OthersWaitFor(List<Lane> full)
    {
        if (_restart || _joining.Count > 0)
            return true;
        foreach (var lane in _lanes.Values)
        {
            if (lane.State == LaneState.Attached && lane.Behind == TimeSpan.Zero && !full.Contains(lane))
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
}
