using System.Runtime.CompilerServices;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Lanes;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Destinations;

/// <summary>A table's rows, no faster than the pipeline's limits allow.</summary>
sealed class PacedCopySource(ICopySource source, CopyPace pace, Lane lane, Action<string?> waits) : ICopySource
{
    public IReadOnlyList<string> ColumnNames => source.ColumnNames;

    public long? Rows => source.Rows;

    public async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var before = 0L;
        await foreach (var piece in source.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            yield return piece;
            var rows = source.Rows ?? 0;
            await pace.PassAsync(lane, rows - before, piece.Length, waits, cancellationToken).ConfigureAwait(false);
            before = rows;
        }
    }
}

/// <summary>Chunks of a table, no faster than the pipeline's limits allow: it waits between two of them, when no snapshot is held.</summary>
sealed class PacedChunkSource(IChunkSource source, CopyPace pace, Lane lane, Action<string?> waits) : IChunkSource
{
    long _rows;
    long _bytes;

    public Task<IReadOnlyList<uint>> FindSuspectsAsync(CancellationToken cancellationToken) => source.FindSuspectsAsync(cancellationToken);

    public Task<ChunkTable?> DescribeAsync(TableName table, IReadOnlyList<string>? columns, CancellationToken cancellationToken) =>
        source.DescribeAsync(table, columns, cancellationToken);

    public async Task<ReadChunk> ReadAsync(
        ChunkTable table, ChunkRange range, int rows, WatchMark watched, Func<ICopySource, CancellationToken, Task<long>> into, CancellationToken cancellationToken)
    {
        await pace.PassAsync(lane, _rows, _bytes, waits, cancellationToken).ConfigureAwait(false);
        var chunk = await source.ReadAsync(table, range, rows, watched, into, cancellationToken).ConfigureAwait(false);
        (_rows, _bytes) = (chunk.Rows, chunk.Bytes);
        return chunk;
    }

    public Task<ReadChunk> ReadKeysAsync(
        ChunkTable table, IReadOnlyList<IReadOnlyList<string>> keys, WatchMark watched, Func<ICopySource, CancellationToken, Task<long>> into, CancellationToken cancellationToken) =>
        source.ReadKeysAsync(table, keys, watched, into, cancellationToken);

    public Task<ReadChunk> FindMissingAsync(
        ChunkTable table, KeyRun run, WatchMark watched, Func<ICopySource, CancellationToken, Task<long>> into, CancellationToken cancellationToken) =>
        source.FindMissingAsync(table, run, watched, into, cancellationToken);

    public Task<string?> DescribeTransactionAsync(uint xid, CancellationToken cancellationToken) => source.DescribeTransactionAsync(xid, cancellationToken);

    public Task<string?> DescribeDigestAsync(ChunkTable table, CancellationToken cancellationToken) => source.DescribeDigestAsync(table, cancellationToken);

    public Task<ReadDigest> ReadDigestAsync(ChunkTable table, ChunkRange range, int rows, WatchMark watched, CancellationToken cancellationToken) =>
        source.ReadDigestAsync(table, range, rows, watched, cancellationToken);

    public Task<long> CountAsync(ChunkTable table, bool mayEstimate, CancellationToken cancellationToken) => source.CountAsync(table, mayEstimate, cancellationToken);

    public Task<IWholeSnapshot> BeginWholeAsync(ChunkTable table, CancellationToken cancellationToken) => source.BeginWholeAsync(table, cancellationToken);

    public Task NudgeAsync(CancellationToken cancellationToken) => source.NudgeAsync(cancellationToken);

    /// <summary>What is read stays open: it belongs to somebody else.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
