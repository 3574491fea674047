using Rosetta.Core.Chunks;
using Rosetta.Core.Lanes;

namespace Rosetta.Actors.Destinations;

/// <summary>
/// One table's chunks, from the first or next range to the end: each is read, waits until the lane has passed what it shows, and lands between two groups;
/// then the keys that have to be read alone, until none is left.
/// </summary>
/// <param name="mostRows">Rows of a chunk, at most.</param>
/// <param name="landed">Told after each chunk.</param>
sealed class ChunkRun(IChunkSource source, ITableChunks chunks, ChunkTable table, LandingGate gate, Lane lane, int mostRows, Action<ReadChunk, ChunkLanding> landed, TimeProvider time)
{
    const int KeysAtOnce = 500;
    const int FewestRows = 1_000;
    const long ChunkBytes = 8 << 20;

    /// <summary>A stream that does not move by itself is given something to read.</summary>
    static readonly TimeSpan NudgeAfter = TimeSpan.FromMilliseconds(50);

    static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    /// <param name="cancellationToken">Ends at once; what has landed stays.</param>
    /// <param name="enough">Ends after the chunk at hand; keys that are left are still read.</param>
    public async Task RunAsync(CancellationToken cancellationToken, CancellationToken enough = default)
    {
        var rows = Math.Min(FewestRows, mostRows);
        while (!chunks.RangesAreFinished && !enough.IsCancellationRequested)
        {
            var size = rows;
            var chunk = await PlaceAsync(
                mark => source.ReadAsync(table, chunks.FinishedUpTo, size, mark, chunks.StageAsync, cancellationToken), cancellationToken).ConfigureAwait(false);
            if (chunk.Rows > 0)
                rows = (int)Math.Min(Math.Max(FewestRows, Math.Min(ChunkBytes / Math.Max(1, chunk.Bytes / chunk.Rows), rows * 4L)), mostRows);
        }

        var finished = false;
        while (!finished)
        {
            var keys = await chunks.PendingAsync(KeysAtOnce, cancellationToken).ConfigureAwait(false);
            if (keys.Count > 0)
                await PlaceAsync(mark => source.ReadKeysAsync(table, keys, mark, chunks.StageAsync, cancellationToken), cancellationToken).ConfigureAwait(false);
            else
                await gate.PassAsync(lane.Passed, async token => finished = await chunks.FinishAsync(token).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Reads a chunk and brings it to its place, again and again until it has landed.</summary>
    async Task<ReadChunk> PlaceAsync(Func<WatchMark, Task<ReadChunk>> read, CancellationToken cancellationToken)
    {
        var pause = NudgeAfter;
        while (true)
        {
            var chunk = await read(chunks.Watch()).ConfigureAwait(false);
            var landing = default(ChunkLanding);
            var placing = gate.PassAsync(
                chunk.High, async token => landing = await chunks.LandAsync(chunk, token).ConfigureAwait(false), cancellationToken);
            if (await Task.WhenAny(placing, Task.Delay(NudgeAfter, time, cancellationToken)).ConfigureAwait(false) != placing && lane.Passed < chunk.High)
                await source.NudgeAsync(cancellationToken).ConfigureAwait(false);
            await placing.ConfigureAwait(false);
            if (landing.HasLanded)
            {
                landed(chunk, landing);
                return chunk;
            }

            await Task.Delay(pause, time, cancellationToken).ConfigureAwait(false);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }
}
