using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Rosetta.Transforms.Copies;
using Rosetta.Transforms.Rewriting;

namespace Rosetta.Actors.Destinations;

/// <summary>Chunks of one table as its transform makes them: the destination sees the columns and rows that come of it, and knows nothing of the source's.</summary>
sealed class TransformedChunkSource(IChunkSource source, LaneTransforms transforms, TableRoute route) : IChunkSource
{
    TransformedChunks? _chunks;

    /// <summary>The source itself for a table without a transform.</summary>
    public static IChunkSource For(IChunkSource source, LaneTransforms transforms, TableRoute route) =>
        route.Transform is null ? source : new TransformedChunkSource(source, transforms, route);

    public Task<IReadOnlyList<uint>> FindSuspectsAsync(CancellationToken cancellationToken) => source.FindSuspectsAsync(cancellationToken);

    /// <exception cref="Core.Errors.FaultException">The transform does not fit the table (any more).</exception>
    public async Task<ChunkTable?> DescribeAsync(TableName table, IReadOnlyList<string>? columns, CancellationToken cancellationToken)
    {
        if (await source.DescribeAsync(table, null, cancellationToken).ConfigureAwait(false) is not { } all)
            return null;
        _chunks = transforms.InChunks(route, all);
        return _chunks.Made;
    }

    public Task<ReadChunk> ReadAsync(
        ChunkTable table, ChunkRange range, int rows, WatchMark watched, Func<ICopySource, CancellationToken, Task<long>> into, CancellationToken cancellationToken) =>
        source.ReadAsync(Read(table), range, rows, watched, Made(into), cancellationToken);

    public Task<ReadChunk> ReadKeysAsync(
        ChunkTable table, IReadOnlyList<IReadOnlyList<string>> keys, WatchMark watched, Func<ICopySource, CancellationToken, Task<long>> into, CancellationToken cancellationToken) =>
        source.ReadKeysAsync(Read(table), keys, watched, Made(into), cancellationToken);

    /// <summary>Behind a filter a key is there when its row is: it is read and staged.</summary>
    public async Task<ReadChunk> FindMissingAsync(
        ChunkTable table, KeyRun run, WatchMark watched, Func<ICopySource, CancellationToken, Task<long>> into, CancellationToken cancellationToken)
    {
        if (!Chunks.HasFilter)
            return await source.FindMissingAsync(Read(table), run, watched, into, cancellationToken).ConfigureAwait(false);
        var read = await ReadKeysAsync(table, run.Keys, watched, into, cancellationToken).ConfigureAwait(false);
        return read with { Range = new ChunkRange(null, null), Swept = new SweptKeys(run, null) };
    }

    public Task<string?> DescribeTransactionAsync(uint xid, CancellationToken cancellationToken) => source.DescribeTransactionAsync(xid, cancellationToken);

    /// <summary>Rows that DuckDB makes are not hashed by the source.</summary>
    public Task<string?> DescribeDigestAsync(ChunkTable table, CancellationToken cancellationToken) => Task.FromResult<string?>(null);

    public Task<ReadDigest> ReadDigestAsync(ChunkTable table, ChunkRange range, int rows, WatchMark watched, CancellationToken cancellationToken) =>
        throw new InvalidOperationException($"Digests of {route.Source} were asked for without asking whether there are any.");

    public Task<IWholeSnapshot> BeginWholeAsync(ChunkTable table, CancellationToken cancellationToken) =>
        throw new InvalidOperationException($"A digest of {route.Source} was asked for without asking whether there is one.");

    /// <summary>Before the part of the filter that only DuckDB evaluates.</summary>
    public Task<long> CountAsync(ChunkTable table, bool mayEstimate, CancellationToken cancellationToken) => source.CountAsync(Read(table), mayEstimate, cancellationToken);

    public Task NudgeAsync(CancellationToken cancellationToken) => source.NudgeAsync(cancellationToken);

    public ValueTask DisposeAsync() => source.DisposeAsync();

    TransformedChunks Chunks => _chunks ?? throw new InvalidOperationException($"Table {route.Source} was not described.");

    ChunkTable Read(ChunkTable table)
    {
        string[] conditions = [.. new[] { Chunks.Read.Condition, table.Condition }.OfType<string>().Select(c => $"({c})")];
        return Chunks.Read with { From = table.From, Condition = conditions.Length == 0 ? null : string.Join(" AND ", conditions) };
    }

    Func<ICopySource, CancellationToken, Task<long>> Made(Func<ICopySource, CancellationToken, Task<long>> into) =>
        (rows, cancellationToken) => into(Chunks.Make(rows), cancellationToken);
}
