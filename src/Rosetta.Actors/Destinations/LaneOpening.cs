using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;

namespace Rosetta.Actors.Destinations;

/// <summary>
/// Opens a lane's destination. It is reached while the source is still being taken over; its own taking over begins when that is through, so nobody is shut out
/// and nothing is stored for a pipeline whose source cannot be had.
/// </summary>
sealed class LaneOpening(LaneContext context, TimeProvider time)
{
    /// <summary>How long a session may do nothing but wait for the source; after that it ends, and another one is opened when the source is there.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    public async Task<IDestinationSession> OpenAsync(ISourceSchema schema, CancellationToken cancellationToken)
    {
        var ready = context.Source.WhenReady(cancellationToken);
        // A destination that was given up is told so whether it answers or not.
        if (ready.IsCompletedSuccessfully)
            context.Spill?.RequireWhole();
        var opening = context.Opening with { Source = schema, StartsAt = token => StartAsync(ready, token) };
        try
        {
            return await context.Destination.OpenAsync(opening, cancellationToken).ConfigureAwait(false);
        }
        catch (SourceIsLateException)
        {
            await ready.ConfigureAwait(false);
        }

        return await context.Destination.OpenAsync(opening, cancellationToken).ConfigureAwait(false);
    }

    async Task<Lsn> StartAsync(Task ready, CancellationToken cancellationToken)
    {
        try
        {
            await ready.WaitAsync(Patience, time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException e)
        {
            throw new SourceIsLateException(e);
        }

        context.Spill?.RequireWhole();
        return context.Lane.Feeds;
    }

    sealed class SourceIsLateException(Exception cause) : Exception("The source has not been taken over yet.", cause);
}
