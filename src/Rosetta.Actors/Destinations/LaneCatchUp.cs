using Rosetta.Actors.Replication;
using Rosetta.Core.Changes;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Lanes;
using Rosetta.Core.Positions;

namespace Rosetta.Actors.Destinations;

/// <summary>
/// A detached lane's way back: its own stream over a temporary copy of the main slot, from its durable position, until it is close; then
/// the main stream sets a boundary J and writes into the lane's log from there; the own stream delivers everything below J, and the lane
/// goes on from its log. What both deliver is applied once: the destination skips transactions below its position.
/// </summary>
sealed class LaneCatchUp(LaneContext context, LanePump pump)
{
    /// <summary>WAL between us and the main stream at which joining is tried: small against a lane's log.</summary>
    const ulong Near = 4 << 20;

    Lane Lane => context.Lane;

    LaneHub Hub => context.Hub;

    /// <returns>The log to go on with, or null: interrupted, or to be tried again.</returns>
    public async Task<LaneLog?> RunAsync(CancellationToken interrupt, CancellationToken cancellationToken)
    {
        using var own = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var log = new LaneLog(LaneHubOptions.Default.LogBytes);
        var stream = StreamAsync(log, own);
        try
        {
            Hub.CatchingUp(Lane);
            while (true)
            {
                if (await PumpUntilAsync(log, NearMain, interrupt, cancellationToken).ConfigureAwait(false) != PumpEnd.Reached)
                    return null;
                if (!Hub.IsRunning)
                    return null;
                if (await JoinAsync(log, interrupt, cancellationToken).ConfigureAwait(false) is { } joined)
                    return joined;

                if (interrupt.IsCancellationRequested || stream.IsCompleted)
                    return null;
            }
        }
        finally
        {
            if (Lane.State != Core.Pipelines.LaneState.Attached)
                Hub.Detach(Lane);
            await own.CancelAsync().ConfigureAwait(false);
            // A failure of the stream is this run's failure; our own cancellation is not.
            await stream.ConfigureAwait(false);
        }
    }

    Lsn NearMain()
    {
        var main = Hub.DeliveredUpTo;
        return main.Value > Near ? new Lsn(main.Value - Near) : main;
    }

    async Task<PumpEnd> PumpUntilAsync(LaneLog log, Func<Lsn> goal, CancellationToken interrupt, CancellationToken cancellationToken)
    {
        while (true)
        {
            var until = goal();
            var end = await pump.RunAsync(log, until, interrupt, cancellationToken).ConfigureAwait(false);
            if (end != PumpEnd.Reached || pump.Passed >= goal())
                return end;
        }
    }

    async Task<LaneLog?> JoinAsync(LaneLog log, CancellationToken interrupt, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(interrupt, cancellationToken);
        LaneAttachment attachment;
        try
        {
            attachment = await Hub.AttachAsync(Lane, either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return null;
        }

        Failpoint.Hit(FailpointNames.LaneBoundarySet);
        // The main stream began anew for us, at our position: nothing lies between.
        var end = pump.Passed >= attachment.Boundary
            ? PumpEnd.Reached
            : await pump.RunAsync(log, attachment.Boundary, interrupt, cancellationToken).ConfigureAwait(false);
        if (end != PumpEnd.Reached || !ReferenceEquals(Lane.Log, attachment.Log))
        {
            // Interrupted, or the log filled first and was dropped.
            Hub.Detach(Lane);
            if (end == PumpEnd.Reached)
                Hub.CatchingUp(Lane);
            return null;
        }

        Hub.Joined(Lane);
        return attachment.Log;
    }

    async Task StreamAsync(LaneLog log, CancellationTokenSource own)
    {
        try
        {
            await context.Source.StreamCopyAsync(context.DestinationId, pump.Passed, new IntoLog(log), own.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (own.IsCancellationRequested)
        {
            // We ended it.
        }
        catch (NoFreeSlotException)
        {
            // The main stream is restarted at this lane's position instead; the others skip what they have.
            Hub.RestartMain();
        }
        finally
        {
            log.Close();
        }
    }

    /// <summary>The own stream waits for its destination, as long as it takes: it holds nobody else.</summary>
    sealed class IntoLog(LaneLog log) : IChangeConsumer
    {
        public async ValueTask ConsumeAsync(ChangeBatch batch, CancellationToken cancellationToken)
        {
            while (!log.TryAppend(batch))
            {
                ObjectDisposedException.ThrowIf(log.IsClosed, log);
                await log.WhenRoom().WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
