using Rosetta.Core.Chunks;
using Rosetta.Core.Lanes;

namespace Rosetta.Actors.Destinations;

/// <summary>
/// One table's chunks, from the first or next range to the end: each is read, waits until the lane has passed what it shows, and lands between two groups,
/// while the next one is being read; then the keys that have to be read alone, until none is left.
/// </summary>
/// <param name="mostRows">Rows of a chunk, at most.</param>
/// <param name="landed">Told after each chunk.</param>
sealed class ChunkRun(IChunkSource source, ITableChunks chunks, ChunkTable table, LandingGate gate, Lane lane, int mostRows, Action<ReadChunk, ChunkLanding> landed, TimeProvider time)
{
    const int KeysAtOnce = 500;
    const int FewestRows = 1_000;
    const long ChunkBytes = 4 << 20;

    /// <summary>A stream that does not move by itself is given something to read.</summary>
    static readonly TimeSpan NudgeAfter = TimeSpan.FromMilliseconds(20);

    static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    int _rows = Math.Min(FewestRows, mostRows);

    /// <param name="cancellationToken">Ends at once; what has landed stays.</param>
    /// <param name="enough">Ends after the chunk at hand; keys that are left are still read.</param>
    public async Task RunAsync(CancellationToken cancellationToken, CancellationToken enough = default)
    {
        if (!chunks.RangesAreFinished)
            await RunRangesAsync(cancellationToken, enough).ConfigureAwait(false);
        var finished = false;
        while (!finished)
        {
            var keys = await chunks.PendingAsync(KeysAtOnce, cancellationToken).ConfigureAwait(false);
            if (keys.Count > 0)
                await LandAsync(await ReadAsync(0).ConfigureAwait(false), () => ReadAsync(0), cancellationToken).ConfigureAwait(false);
            else
                await gate.PassAsync(lane.Passed, async token => finished = await chunks.FinishAsync(token).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);

            Task<ReadChunk> ReadAsync(int stage) => source.ReadKeysAsync(table, keys, chunks.Watch(stage), (rows, token) => chunks.StageAsync(stage, rows, token), cancellationToken);
        }
    }

    async Task RunRangesAsync(CancellationToken cancellationToken, CancellationToken enough)
    {
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<ReadChunk>? next = ReadAsync(0, chunks.FinishedUpTo);
        try
        {
            while (next is not null && !enough.IsCancellationRequested)
            {
                var chunk = await next.ConfigureAwait(false);
                if (chunk.Rows > 0)
                    _rows = (int)Math.Min(Math.Max(FewestRows, Math.Min(ChunkBytes / Math.Max(1, chunk.Bytes / chunk.Rows), chunk.Rows * 4)), mostRows);
                var ahead = next = chunk.Range.IsLast ? null : ReadAsync((chunk.Watched.Stage + 1) % ITableChunks.Stages, chunk.Range.UpTo);
                await LandAsync(
                    chunk, async () =>
                    {
                        // One connection reads: what is being read ahead comes first.
                        if (ahead is not null)
                            await ahead.ConfigureAwait(false);
                        return await ReadAsync(chunk.Watched.Stage, chunk.Range.After, chunk.Range.UpTo).ConfigureAwait(false);
                    }, cancellationToken).ConfigureAwait(false);
                // The last range may have ended earlier when it was read again.
                if (next is null && !chunks.RangesAreFinished)
                    next = ReadAsync(0, chunks.FinishedUpTo);
            }
        }
        finally
        {
            await reading.CancelAsync().ConfigureAwait(false);
            if (next is not null)
                await next.ContinueWith(static t => _ = t.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).ConfigureAwait(false);
        }

        Task<ReadChunk> ReadAsync(int stage, IReadOnlyList<string>? after, IReadOnlyList<string>? upTo = null) => source.ReadAsync(
            table, new ChunkRange(after, upTo), _rows, chunks.Watch(stage), (rows, token) => chunks.StageAsync(stage, rows, token), reading.Token);
    }

    /// <summary>Brings a chunk to its place, and reads it again until it has landed.</summary>
    async Task LandAsync(ReadChunk chunk, Func<Task<ReadChunk>> again, CancellationToken cancellationToken)
    {
        var pause = NudgeAfter;
        while (true)
        {
            var landing = default(ChunkLanding);
            var here = chunk;
            var placing = gate.PassAsync(
                here.High, async token => landing = await chunks.LandAsync(here, token).ConfigureAwait(false), cancellationToken);
            if (await Task.WhenAny(placing, Task.Delay(NudgeAfter, time, cancellationToken)).ConfigureAwait(false) != placing && lane.Passed < here.High)
                await source.NudgeAsync(cancellationToken).ConfigureAwait(false);
            await placing.ConfigureAwait(false);
            if (landing.HasLanded)
            {
                landed(here, landing);
                return;
            }

            await Task.Delay(pause, time, cancellationToken).ConfigureAwait(false);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            chunk = await again().ConfigureAwait(false);
        }
    }
}
