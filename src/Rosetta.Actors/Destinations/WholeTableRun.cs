using Rosetta.Core.Chunks;

namespace Rosetta.Actors.Destinations;

/// <summary>
/// Compares one table as a whole: a snapshot of the source, one of the destination when the lane has applied exactly what that shows, then both are read. Under load
/// the moment is tried for again and again; the reading, which is what takes time, comes after it.
/// </summary>
/// <param name="place">Where the lane is met.</param>
sealed class WholeTableRun(IChunkSource source, IWholeDigest here, ChunkTable table, LanePlace place, TimeProvider time)
{
    /// <summary>A table that is changed in every moment of this time is not compared.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    /// <returns>The digests of source and destination; null when no moment was found, or it was called off.</returns>
    public async Task<(BucketDigest Source, BucketDigest Here)?> RunAsync(CancellationToken cancellationToken, CancellationToken enough)
    {
        var began = time.GetTimestamp();
        while (time.GetElapsedTime(began) < Patience && !enough.IsCancellationRequested)
        {
            var mark = here.Watch();
            await using (var there = await source.BeginWholeAsync(table, cancellationToken).ConfigureAwait(false))
            {
                string? again = null;
                await place.PassAsync(there.High, async token => again = await here.PlaceAsync(there.Snapshot, mark, token).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
                if (again is null)
                {
                    var (one, other) = (there.ReadAsync(cancellationToken), here.ReadAsync(cancellationToken));
                    await Task.WhenAll(one, other).ConfigureAwait(false);
                    return (await one.ConfigureAwait(false), await other.ConfigureAwait(false));
                }
            }

            await Task.Delay(Pause, time, cancellationToken).ConfigureAwait(false);
        }

        return null;
    }
}
