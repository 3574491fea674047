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
    LanePlace? _placed;

    const int KeysAtOnce = 500;
    const int KeysToLookUp = 20_000;
    const int FewestRows = 1_000;
    const int Growth = 16;
    const int StatisticsMargin = 4;
    const long ChunkBytes = 12 << 20;

    int _rows = Math.Min(FewestRows, mostRows);

    /// <summary>Told what a chunk waits for that has been tried often or for long, and null when it goes on.</summary>
    public Action<string?> Waits { get; init; } = static _ => { };

    LanePlace Place => _placed ??= new LanePlace(source, gate, lane, time) { Waits = Waits };

    /// <summary>Told of each range that needed no rows, or only some.</summary>
    public Action<DigestedRange> Digested { get; init; } = static _ => { };

    /// <summary>A chunk that is landing when this is cancelled is undone.</summary>
    public CancellationToken CallOff { get; init; }

    /// <param name="cancellationToken">Ends at once; what has landed stays.</param>
    /// <param name="enough">Ends after the chunk at hand; keys that are left are still read.</param>
    public async Task RunAsync(CancellationToken cancellationToken, CancellationToken enough = default)
    {
        try
        {
            await WorkAsync(cancellationToken, enough).ConfigureAwait(false);
        }
        finally
        {
            Place.Show(null);
        }
    }

    async Task WorkAsync(CancellationToken cancellationToken, CancellationToken enough)
    {
        if (!chunks.RangesAreFinished)
            await RunRangesAsync(await FindDigestsAsync(cancellationToken).ConfigureAwait(false), cancellationToken, enough).ConfigureAwait(false);
        while (chunks is { RangesAreFinished: true, IsSwept: false } && !enough.IsCancellationRequested)
            await SweepAsync(await chunks.NextKeysAsync(KeysToLookUp, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        var finished = false;
        while (!finished)
        {
            var keys = await chunks.PendingAsync(KeysAtOnce, cancellationToken).ConfigureAwait(false);
            if (keys.Count > 0)
                await LandAsync(await ReadAsync(0).ConfigureAwait(false), () => ReadAsync(0), cancellationToken).ConfigureAwait(false);
            else
                await Place.PassAsync(async token => finished = await chunks.FinishAsync(token).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);

            Task<ReadChunk> ReadAsync(int stage) => source.ReadKeysAsync(table, keys, chunks.Watch(stage), (rows, token) => chunks.StageAsync(stage, rows, token), cancellationToken);
        }
    }

    /// <summary>Rows of these keys that the source does not have go.</summary>
    async Task SweepAsync(KeyRun run, CancellationToken cancellationToken)
    {
        var found = await ReadAsync().ConfigureAwait(false);
        if (!run.IsLast && found.Swept is { Missing.Count: 0 })
            chunks.Skip(run);
        else
            await LandAsync(found, ReadAsync, cancellationToken).ConfigureAwait(false);

        Task<ReadChunk> ReadAsync() => source.FindMissingAsync(table, run, chunks.Watch(0), (rows, token) => chunks.StageAsync(0, rows, token), cancellationToken);
    }

    async Task<DigestRun?> FindDigestsAsync(CancellationToken cancellationToken)
    {
        if (!chunks.MayHaveDigests || await source.DescribeDigestAsync(table, cancellationToken).ConfigureAwait(false) is not { } form)
            return null;
        return await chunks.OpenDigestsAsync(form, cancellationToken).ConfigureAwait(false) is { } digests
            ? new DigestRun(source, chunks, digests, table, Place, (chunk, again) => LandAsync(chunk, again, cancellationToken), mostRows, Digested, time)
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
                    _rows = RowsAfter(chunk);
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

    /// <summary>As many as the last chunk's rows and the table's statistics let expect within the bound; where the former are small by chance, not many times too many.</summary>
    int RowsAfter(ReadChunk chunk)
    {
        var byBytes = Math.Min(ChunkBytes / Math.Max(1, chunk.Bytes / chunk.Rows), chunk.Rows * Growth);
        if (table.Table is { EstimatedRows: > 0, EstimatedBytes: > 0 } known)
            byBytes = Math.Min(byBytes, ChunkBytes * StatisticsMargin / Math.Max(1, known.EstimatedBytes / known.EstimatedRows));
        return (int)Math.Min(Math.Max(FewestRows, byBytes), mostRows);
    }

    /// <summary>Brings a chunk to its place, and reads it again until it has landed.</summary>
    async Task LandAsync(ReadChunk chunk, Func<Task<ReadChunk>> again, CancellationToken cancellationToken)
    {
        var pause = LanePlace.NudgeAfter;
        for (var tries = 1; ; tries++)
        {
            ChunkLanding? landing = null;
            var here = chunk;
            await Place.PassAsync(here.High, async token => landing = await chunks.LandAsync(here, token, CallOff).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
            if (landing is { HasLanded: true })
            {
                Place.Show(null);
                landed(here, landing);
                return;
            }

            await Place.ExplainAsync(landing, tries, cancellationToken).ConfigureAwait(false);
            pause = await Place.PauseAsync(pause, cancellationToken).ConfigureAwait(false);
            chunk = await again().ConfigureAwait(false);
        }
    }
}
