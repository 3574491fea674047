using Rosetta.Actors.Recovery;
using Rosetta.Core.Chunks;
using Rosetta.Core.Pipelines;

namespace Rosetta.Actors.Destinations;

/// <summary>How the program before this one of a lane failed.</summary>
/// <param name="WasOpen">Its destination was open: that it opens again does not say that what was wrong is over.</param>
/// <param name="CouldNotPark">The store of dead letters took nothing.</param>
public readonly record struct LaneFailure(bool WasOpen, bool CouldNotPark);

/// <summary>
/// A lane after a failure. What was wrong is shown until it is over, not only until it is tried again: otherwise a destination that fails at the same change every 30 s would be
/// shown as well in between, and its pipeline with it.
/// </summary>
sealed class LaneMending(LaneContext context, LaneFailure before, LandingGate gate, TimeProvider time)
{
    /// <summary>For making room, at most: if there is room again meanwhile, the stream need not wait.</summary>
    static readonly TimeSpan RoomTime = TimeSpan.FromSeconds(30);

    bool _isOver;
    bool _makesRoom = before.CouldNotPark;

    /// <summary>The destination is open, and there is a place to go on from.</summary>
    public void Opened()
    {
        if (!before.WasOpen)
            Over();
    }

    /// <summary>A group is there for good, or something else than applying is done now.</summary>
    public void Over()
    {
        if (_isOver)
            return;
        _isOver = true;
        context.Lane.Failing = false;
        context.Status.Fault = null;
    }

    /// <summary>Everything that has come is applied.</summary>
    public void Idle()
    {
        // Of a stream of its own nothing may have come yet.
        if (context.Lane.State == LaneState.Attached)
            Over();
    }

    /// <summary>
    /// Where changes could not be parked, those that are parked have their turn before the stream does, which would fail at once: each that is applied makes room in the store,
    /// and leaves a key behind which nothing has to wait.
    /// </summary>
    public async Task MakeRoomAsync(ParkedRecovery recovery, CancellationToken interrupt, CancellationToken cancellationToken)
    {
        if (!_makesRoom)
            return;
        using var late = new CancellationTokenSource(RoomTime, time);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(late.Token, interrupt, cancellationToken);
        while (!recovery.FirstRound.IsCompleted && !enough.IsCancellationRequested)
        {
            await gate.LandAsync(context.Lane.Passed, cancellationToken).ConfigureAwait(false);
            try
            {
                await gate.IdleAsync(
                    async token =>
                    {
                        await recovery.FirstRound.WaitAsync(token).ConfigureAwait(false);
                        return true;
                    },
                    context.Lane.Passed, enough.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // It goes on beside the stream, or after what interrupts.
            }
        }

        _makesRoom = interrupt.IsCancellationRequested && !recovery.FirstRound.IsCompleted;
    }
}
