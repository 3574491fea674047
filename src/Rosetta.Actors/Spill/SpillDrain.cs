using Rosetta.Actors.Destinations;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Lanes;
using Rosetta.Core.Positions;
using Rosetta.Core.Spill;

namespace Rosetta.Actors.Spill;

/// <summary>
/// Brings what the spill log has to the destination, in order and through the lane's pump; at its end the writer stops, and the lane goes on from the main stream or
/// catches up. What the destination has already is skipped there, by its position.
/// </summary>
sealed class SpillDrain(LaneContext context, LaneSpill spill, LanePump pump, TimeProvider time)
{
    static readonly TimeSpan RemoveEvery = TimeSpan.FromSeconds(1);

    Lsn _fed;
    long _removedAt = time.GetTimestamp();

    /// <summary>Until the log is read to its end or it is interrupted.</summary>
    public async Task RunAsync(CancellationToken interrupt, CancellationToken cancellationToken)
    {
        context.Lane.IsDraining = true;
        using var own = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, interrupt);
        using var log = new LaneLog(LaneHubOptions.Default.LogBytes);
        var reading = ReadAsync(log, own.Token);
        try
        {
            var end = await pump.RunAsync(log, null, interrupt, cancellationToken).ConfigureAwait(false);
            await own.CancelAsync().ConfigureAwait(false);
            if (await reading.ConfigureAwait(false) && end == PumpEnd.LogEnded)
            {
                Failpoint.Hit(FailpointNames.SpillDrained);
                await spill.EmptyAsync(context.Lane.Passed, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            await own.CancelAsync().ConfigureAwait(false);
            log.Close();
            await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            context.Lane.IsDraining = false;
        }
    }

    /// <returns>It was read to its end.</returns>
    async Task<bool> ReadAsync(LaneLog log, CancellationToken cancellationToken)
    {
        try
        {
            for (var after = 0L; ;)
            {
                await RemoveAsync(cancellationToken).ConfigureAwait(false);
                var changed = spill.WhenChanged();
                if (await spill.Store.ReadAsync(spill.Log, after, cancellationToken).ConfigureAwait(false) is { } stored)
                {
                    await FeedAsync(log, stored.Part, cancellationToken).ConfigureAwait(false);
                    after = stored.Sequence;
                }
                else if (!spill.IsWriting)
                {
                    return true;
                }
                else
                {
                    // The log has been read to where it is written: from here on the main stream is as near as the log.
                    if (spill.HasReachedMain)
                        spill.StopWriting();
                    await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return false;
        }
        finally
        {
            log.Close();
        }
    }

    async Task FeedAsync(LaneLog log, SpillPart part, CancellationToken cancellationToken)
    {
        var batches = BatchCodec.Decode(part.Payload.Span);
        try
        {
            foreach (var batch in batches)
            {
                if (batch.DeliveredUpTo < _fed)
                    throw new FormatException($"The spill log goes back from {_fed} to {batch.DeliveredUpTo}: what it has cannot be told from what was applied.");
                _fed = batch.DeliveredUpTo;
                // One that was closed takes nothing, and says that there is room.
                while (!log.TryAppend(batch))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    await log.WhenRoom().WaitAsync(cancellationToken).ConfigureAwait(false);
                }
            }
        }
        finally
        {
            foreach (var batch in batches)
                batch.Release();
        }
    }

    async Task RemoveAsync(CancellationToken cancellationToken)
    {
        if (time.GetElapsedTime(_removedAt) < RemoveEvery || spill.Extent is not { } extent || context.Lane.Passed <= extent.From)
            return;
        _removedAt = time.GetTimestamp();
        await spill.RemoveAsync(context.Lane.Passed, cancellationToken).ConfigureAwait(false);
        Failpoint.Hit(FailpointNames.SpillRemoved);
    }
}
