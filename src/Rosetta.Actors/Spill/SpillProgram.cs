using Rosetta.Actors.Destinations;
using Rosetta.Core.Chunks;
using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Lanes;

namespace Rosetta.Actors.Spill;

/// <summary>
/// Writes a lane's changes to its spill log, whether or not its destination answers: from where the log ends to the main stream, and on with that, until it is stopped
/// because the destination has read the log to its end. Any failure ends it and the lane's actor decides what follows.
/// </summary>
sealed class SpillProgram(LaneContext context, LaneSpill spill, TimeProvider time)
{
    /// <exception cref="FaultException">The log has come to its own end, and the destination holds the slot or was given up.</exception>
    public async Task RunAsync(CancellationToken stop, CancellationToken cancellationToken)
    {
        await context.Source.WhenReady(cancellationToken).ConfigureAwait(false);
        using var turn = await spill.EnterAsync(stop, cancellationToken).ConfigureAwait(false);
        if (turn is null)
            return;
        var lane = context.Lane;
        var sink = new SpillSink(lane, spill, time);
        var pump = new LanePump(lane, sink, SpillSink.Bounds, static (_, _, _) => { }, new LandingGate());
        var feed = new LaneFeed(context, pump, () => spill.HasReachedMain = true);
        await sink.OpenAsync(cancellationToken).ConfigureAwait(false);
        Failpoint.Hit(FailpointNames.SpillOpened);
        if (spill.Overrun() is { } full)
            await EndAsync(full, cancellationToken).ConfigureAwait(false);
        // What the log of a destination that went away still holds is not durable anywhere else.
        context.Hub.Detach(lane);
        lane.IsSpilling = true;
        try
        {
            while (!stop.IsCancellationRequested)
            {
                await sink.RenewAsync(cancellationToken).ConfigureAwait(false);
                await feed.RunAsync(stop, cancellationToken).ConfigureAwait(false);
                spill.HasReachedMain = false;
            }

            // What the lane's log has from here on is the destination's.
            await sink.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (SpillOverrunException e)
        {
            context.Hub.Detach(lane);
            await EndAsync(e.Message, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            // What was read last may not be written: it is read again.
            context.Hub.Detach(lane);
            throw;
        }
    }

    async Task EndAsync(string reason, CancellationToken cancellationToken)
    {
        if (spill.End == SpillEnd.Hold)
        {
            throw new FaultException(new Fault(
                ErrorClass.Operator, $"{reason} Nothing more is written, and the source keeps its WAL for this destination.",
                "Mend the destination, raise Rosetta:Pipelines:SpillBytes or SpillAge, or take the destination out of the pipeline.", null));
        }

        await spill.AbandonAsync(reason, cancellationToken).ConfigureAwait(false);
        Failpoint.Hit(FailpointNames.SpillAbandoned);
        spill.RequireWhole();
    }
}
