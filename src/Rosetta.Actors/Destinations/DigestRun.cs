using Rosetta.Core.Chunks;

namespace Rosetta.Actors.Destinations;

/// <summary>
/// Ranges of a table compared by digests: each is read at the source, waits for its place in the lane, and is compared at the destination while the next one
/// is being read. Of a range that is not the same on both sides only the rows of the buckets in question are brought, as chunks.
/// </summary>
/// <param name="land">Brings a chunk to its place, and reads it again until it has landed.</param>
/// <param name="mostRows">Rows of a chunk, at most; a range has some more, since waiting for its place is what costs most.</param>
/// <param name="told">Told after each range.</param>
sealed class DigestRun(
    IChunkSource source, ITableChunks chunks, IRangeDigests digests, ChunkTable table, LanePlace place, Func<ReadChunk, Func<Task<ReadChunk>>, Task> land, int mostRows,
    Action<DigestedRange> told, TimeProvider time)
{
    const int RowsOfRange = 100_000;
    const int TimesAChunk = 2;
    const int RowsFirst = 2_000;
    const long ChunkBytes = 4 << 20;
    const int MostTries = 3;
    const int FewestChunks = 4;
    const int MostChunks = 64;

    /// <summary>What has been found equal is stored this often, not range by range.</summary>
    static readonly TimeSpan StoreInterval = TimeSpan.FromSeconds(0.2);

    int _rows = Math.Min(RowsFirst, mostRows);
    int _chunksInstead = FewestChunks;
    (ChunkRange Range, long Rows)? _notStored;
    long _storedAt = time.GetTimestamp();

    /// <summary>
    /// Goes on from where the chunks are to the end, or until most of a range's rows are not the same.
    /// </summary>
    /// <param name="enough">Ends after the range at hand.</param>
    /// <returns>How many chunks to take with all their rows before digests are tried again.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken, CancellationToken enough)
    {
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<ReadDigest>? next = ReadAsync(0, chunks.FinishedUpTo);
        var isOrderly = false;
        try
        {
            while (next is not null && !enough.IsCancellationRequested)
            {
                var digest = await next.ConfigureAwait(false);
                _rows = (int)Math.Max(_rows, Math.Min(digest.Source.Rows * 4, Math.Min(RowsOfRange, mostRows * (long)TimesAChunk)));
                var ahead = next = digest.Range.IsLast ? null : ReadAsync((digest.Watched.Stage + 1) % ITableChunks.Stages, digest.Range.UpTo);
                var (placed, verdict) = await CompareAsync(
                    digest, () => OneByOneAsync(ahead, () => ReadAsync(digest.Watched.Stage, digest.Range.After, digest.Range.UpTo)), cancellationToken).ConfigureAwait(false);
                if (verdict is null || IsTooMuch(placed, verdict))
                {
                    await StoreAsync(cancellationToken).ConfigureAwait(false);
                    isOrderly = true;
                    return _chunksInstead = Math.Min(_chunksInstead * 2, MostChunks);
                }

                var carried = 0L;
                foreach (var buckets in Portions(placed.Source, verdict.Unsure))
                {
                    var range = placed.Range with { Buckets = buckets };
                    var chunk = await OneByOneAsync(ahead, () => ReadRowsAsync(range, placed.Watched.Stage)).ConfigureAwait(false);
                    await land(chunk, () => OneByOneAsync(ahead, () => ReadRowsAsync(range, placed.Watched.Stage))).ConfigureAwait(false);
                    carried += chunk.Rows;
                }

                _notStored = (placed.Range, (_notStored?.Rows ?? 0) + placed.Source.Rows);
                if (placed.Range.IsLast || time.GetElapsedTime(_storedAt) >= StoreInterval)
                    await StoreAsync(cancellationToken).ConfigureAwait(false);
                if (verdict.Differing == 0)
                    _chunksInstead = FewestChunks;
                told(new DigestedRange(placed.Source.Rows, verdict.Unsure.Count, carried));
                // The last range may have ended earlier when it was read again.
                if (next is null && !placed.Range.IsLast)
                    next = ReadAsync(0, placed.Range.UpTo);
            }

            await StoreAsync(cancellationToken).ConfigureAwait(false);
            isOrderly = true;
            return 0;
        }
        finally
        {
            // A query that is cut takes its connection with it, which others still need.
            if (!isOrderly)
                await reading.CancelAsync().ConfigureAwait(false);
            if (next is not null)
                await next.ContinueWith(static t => _ = t.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).ConfigureAwait(false);
        }

        Task<ReadDigest> ReadAsync(int stage, IReadOnlyList<string>? after, IReadOnlyList<string>? upTo = null) =>
            source.ReadDigestAsync(table, new ChunkRange(after, upTo), _rows, chunks.Watch(stage), reading.Token);

        Task<ReadChunk> ReadRowsAsync(ChunkRange range, int stage) =>
            source.ReadAsync(table, range, mostRows, chunks.Watch(stage), (rows, token) => chunks.StageAsync(stage, rows, token), reading.Token);
    }

    /// <summary>No verdict: it could not be placed in a few tries.</summary>
    async Task<(ReadDigest Digest, DigestVerdict? Verdict)> CompareAsync(ReadDigest digest, Func<Task<ReadDigest>> again, CancellationToken cancellationToken)
    {
        var pause = LanePlace.NudgeAfter;
        for (var tries = 1; ; tries++)
        {
            string? readAgain = null;
            var here = digest;
            await place.PassAsync(digest.High, async token => readAgain = await digests.PlaceAsync(here, token).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
            if (readAgain is null)
                return (digest, await digests.CompareAsync(digest, cancellationToken).ConfigureAwait(false));
            if (tries == MostTries)
                return (digest, null);
            pause = await place.PauseAsync(pause, cancellationToken).ConfigureAwait(false);
            digest = await again().ConfigureAwait(false);
        }
    }

    /// <summary>Digests cost about as much as they save: a destination that lacks most of the rows, or whose rows are never the same byte for byte.</summary>
    static bool IsTooMuch(ReadDigest digest, DigestVerdict verdict) =>
        verdict.Differing > Math.Max(RangeDigest.BucketCount / 8, digest.Source.Buckets.Count / 2);

    /// <summary>Buckets whose rows are brought at once.</summary>
    IEnumerable<IReadOnlyList<int>> Portions(RangeDigest digest, IReadOnlyList<int> buckets)
    {
        var bytesOfRow = table.Table.EstimatedRows > 0 ? Math.Max(1, table.Table.EstimatedBytes / table.Table.EstimatedRows) : 1;
        var most = Math.Min(mostRows, Math.Max(1, ChunkBytes / bytesOfRow));
        var portion = new List<int>();
        var rows = 0L;
        foreach (var bucket in buckets)
        {
            var more = digest.Buckets.GetValueOrDefault(bucket).Rows;
            if (portion.Count > 0 && rows + more > most)
            {
                yield return portion;
                (portion, rows) = ([], 0);
            }

            portion.Add(bucket);
            rows += more;
        }

        if (portion.Count > 0)
            yield return portion;
    }

    async Task StoreAsync(CancellationToken cancellationToken)
    {
        if (_notStored is not var (range, rows))
            return;
        await place.PassAsync(token => digests.PassedAsync(range, rows, token), cancellationToken).ConfigureAwait(false);
        _notStored = null;
        _storedAt = time.GetTimestamp();
    }

    // One connection reads: what is being read ahead comes first.
    static async Task<T> OneByOneAsync<T>(Task? ahead, Func<Task<T>> read)
    {
        if (ahead is not null)
            await ahead.ConfigureAwait(false);
        return await read().ConfigureAwait(false);
    }
}

/// <summary>A range that was compared by its digest.</summary>
/// <param name="Rows">Of the source.</param>
/// <param name="Buckets">Those whose rows had to be brought.</param>
/// <param name="Carried">Rows that were.</param>
readonly record struct DigestedRange(long Rows, int Buckets, long Carried);
