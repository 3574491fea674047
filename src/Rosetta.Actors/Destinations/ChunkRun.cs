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
    readonly LanePlace _place = new(source, gate, lane, time);

    const int KeysAtOnce = 500;
    const int FewestRows = 1_000;
    const long ChunkBytes = 4 << 20;

    int _rows = Math.Min(FewestRows, mostRows);

    /// <summary>Told of each range that needed no rows, or only some.</summary>
    public Action<DigestedRange> Digested { get; init; } = static _ => { };

    /// <param name="cancellationToken">Ends at once; what has landed stays.</param>
    /// <param name="enough">Ends after the chunk at hand; keys that are left are still read.</param>
    public async Task RunAsync(CancellationToken cancellationToken, CancellationToken enough = default)
    {
        if (!chunks.RangesAreFinished)
            await RunRangesAsync(await FindDigestsAsync(cancellationToken).ConfigureAwait(false), cancellationToken, enough).ConfigureAwait(false);
        var finished = false;
        while (!finished)
        {
            var keys = await chunks.PendingAsync(KeysAtOnce, cancellationToken).ConfigureAwait(false);
            if (keys.Count > 0)
                await LandAsync(await ReadAsync(0).ConfigureAwait(false), () => ReadAsync(0), cancellationToken).ConfigureAwait(false);
            else
                await _place.PassAsync(async token => finished = await chunks.FinishAsync(token).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);

            Task<ReadChunk> ReadAsync(int stage) => source.ReadKeysAsync(table, keys, chunks.Watch(stage), (rows, token) => chunks.StageAsync(stage, rows, token), cancellationToken);
        }
    }

    async Task<DigestRun?> FindDigestsAsync(CancellationToken cancellationToken)
    {
        if (!chunks.MayHaveDigests || await source.DescribeDigestAsync(table, cancellationToken).ConfigureAwait(false) is not { } form)
            return null;
        return await chunks.OpenDigestsAsync(form, cancellationToken).ConfigureAwait(false) is { } digests
            ? new DigestRun(source, chunks, digests, table, _place, (chunk, again) => LandAsync(chunk, again, cancellationToken), mostRows, Digested, time)
            : null;
    }

    async Task RunRangesAsync(DigestRun? digests, CancellationToken cancellationToken, CancellationToken enough)
    {
        while (!chunks.RangesAreFinished && !enough.IsCancellationRequested)
        {
            var most = digests is null ? int.MaxValue : await digests.RunAsync(cancellationToken, enough).ConfigureAwait(false);
            await RunRangesAsync(most, cancellationToken, enough).ConfigureAwait(false);
        }
    }

    /// <param name="most">Ends after so many.</param>
    async Task RunRangesAsync(int most, CancellationToken cancellationToken, CancellationToken enough)
    {
        if (most == 0)
            return;
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<ReadChunk>? next = ReadAsync(0, chunks.FinishedUpTo);
        try
        {
            for (var taken = 1; next is not null && !enough.IsCancellationRequested; taken++)
            {
                var chunk = await next.ConfigureAwait(false);
                if (chunk.Rows > 0)
                    _rows = (int)Math.Min(Math.Max(FewestRows, Math.Min(ChunkBytes / Math.Max(1, chunk.Bytes / chunk.Rows), chunk.Rows * 4)), mostRows);
                var ahead = next = chunk.Range.IsLast || taken >= most ? null : ReadAsync((chunk.Watched.Stage + 1) % ITableChunks.Stages, chunk.Range.UpTo);
                await LandAsync(
                    chunk, async () =>
                    {
                        // One connection reads: what is being read ahead comes first.
                        if (ahead is not null)
                            await ahead.ConfigureAwait(false);
                        return await ReadAsync(chunk.Watched.Stage, chunk.Range.After, chunk.Range.UpTo).ConfigureAwait(false);
                    }, cancellationToken).ConfigureAwait(false);
                // The last range may have ended earlier when it was read again.
                if (next is null && chunk.Range.IsLast && !chunks.RangesAreFinished && taken < most)
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
        var pause = LanePlace.NudgeAfter;
        while (true)
        {
            ChunkLanding? landing = null;
            var here = chunk;
            await _place.PassAsync(here.High, async token => landing = await chunks.LandAsync(here, token).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
            if (landing is { HasLanded: true })
            {
                landed(here, landing);
                return;
            }

            pause = await _place.PauseAsync(pause, cancellationToken).ConfigureAwait(false);
            chunk = await again().ConfigureAwait(false);
        }
    }
}
