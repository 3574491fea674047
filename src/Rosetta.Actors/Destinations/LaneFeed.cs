using Rosetta.Core.Lanes;
using Rosetta.Core.Pipelines;

namespace Rosetta.Actors.Destinations;

/// <summary>Brings the main stream to a lane's pump: from the log that the lane has, by joining, or by catching up first.</summary>
/// <param name="streaming">Told when the pump is about to read what the main stream writes.</param>
sealed class LaneFeed(LaneContext context, LanePump pump, Action streaming)
{
    volatile bool _reading;

    Lane Lane => context.Lane;

    LaneHub Hub => context.Hub;

    /// <summary>The pump reads what the main stream writes: it comes to its end with the log.</summary>
    public bool IsReading => _reading;

    /// <summary>Until the main stream or its own ends, or it is interrupted; to be called again.</summary>
    public async Task RunAsync(CancellationToken interrupt, CancellationToken cancellationToken)
    {
        // What goes on after a failure goes on from its log if that still reaches back.
        if (Lane.Log is { } kept)
        {
            if (Lane.State == LaneState.Attached && kept.TryRewind())
            {
                await ReadAsync(kept, interrupt, cancellationToken).ConfigureAwait(false);
                return;
            }

            Hub.Detach(Lane);
        }

        if (!Hub.IsRunning)
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(interrupt, cancellationToken);
            LaneAttachment attachment;
            try
            {
                attachment = await Hub.AttachAsync(Lane, either.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                return;
            }

            if (pump.Passed >= attachment.Boundary)
            {
                Hub.Joined(Lane);
                await ReadAsync(attachment.Log, interrupt, cancellationToken).ConfigureAwait(false);
                return;
            }

            Hub.Detach(Lane);
        }

        if (await new LaneCatchUp(context, pump).RunAsync(interrupt, cancellationToken).ConfigureAwait(false) is { } joined)
            await ReadAsync(joined, interrupt, cancellationToken).ConfigureAwait(false);
    }

    async Task ReadAsync(LaneLog log, CancellationToken interrupt, CancellationToken cancellationToken)
    {
        _reading = true;
        try
        {
            streaming();
            await pump.RunAsync(log, null, interrupt, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _reading = false;
        }
    }
}
