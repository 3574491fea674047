using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;

namespace Rosetta.Core.Chunks;

/// <summary>What is read of a table, chunk by chunk.</summary>
/// <param name="Columns">Names of the columns, in the order of the rows that come.</param>
/// <param name="RowFilter">An expression that the publication applies to its rows; null for all.</param>
public sealed record ChunkTable(TableDescription Table, IReadOnlyList<string> Columns, CopyFormat Format, string? RowFilter)
{
    /// <summary>A condition in the source's SQL that the wanted rows meet; null for all.</summary>
    public string? Condition { get; init; }

    /// <summary>Set: rows on the pages before are not wanted, as an earlier copy has brought them. Reading by key is not concerned.</summary>
    public PageMark? From { get; init; }

    public IReadOnlyList<string> Key => Table.PrimaryKey;
}

/// <summary>Reads chunks from a source by a connection of its own. Not thread-safe.</summary>
public interface IChunkSource : IAsyncDisposable
{
    /// <summary>
    /// Ids of transactions that are in progress to everybody although their commit may be in the WAL already: what an earlier incarnation may have streamed.
    /// </summary>
    Task<IReadOnlyList<uint>> FindSuspectsAsync(CancellationToken cancellationToken);

    /// <summary>The table as it is now, with the columns that are wanted and published; null when it is gone.</summary>
    /// <param name="columns">Wanted columns; null for all.</param>
    Task<ChunkTable?> DescribeAsync(TableName table, IReadOnlyList<string>? columns, CancellationToken cancellationToken);

    /// <summary>
    /// Reads the rows of a range in one snapshot; of one without an end so many at most, fewer when the table ends.
    /// </summary>
    /// <param name="watched">Taken before.</param>
    /// <param name="into">Takes the rows while they come.</param>
    /// <exception cref="TableRewrittenException">The table is no longer what <paramref name="table"/> says: describe it again.</exception>
    Task<ReadChunk> ReadAsync(
        ChunkTable table, ChunkRange range, int rows, WatchMark watched, Func<ICopySource, CancellationToken, Task<long>> into, CancellationToken cancellationToken);

    /// <summary>Reads the rows of these keys, those there are.</summary>
    /// <inheritdoc cref="ReadAsync"/>
    Task<ReadChunk> ReadKeysAsync(
        ChunkTable table, IReadOnlyList<IReadOnlyList<string>> keys, WatchMark watched, Func<ICopySource, CancellationToken, Task<long>> into, CancellationToken cancellationToken);

    /// <summary>
    /// How rows of the table are hashed here; those of a destination that says the same can be compared by digests. Null: this table's rows cannot be hashed
    /// so that equal hashes mean equal rows.
    /// </summary>
    Task<string?> DescribeDigestAsync(ChunkTable table, CancellationToken cancellationToken);

    /// <summary>Reads a range as <see cref="ReadAsync"/> does, but only its digest.</summary>
    /// <inheritdoc cref="ReadAsync"/>
    Task<ReadDigest> ReadDigestAsync(ChunkTable table, ChunkRange range, int rows, WatchMark watched, CancellationToken cancellationToken);

    /// <summary>Begins to read the digest of the whole table, after <see cref="DescribeDigestAsync"/>. Nothing else may be read before it is disposed of.</summary>
    /// <exception cref="TableRewrittenException">The table is no longer what <paramref name="table"/> says.</exception>
    Task<IWholeSnapshot> BeginWholeAsync(ChunkTable table, CancellationToken cancellationToken);

    /// <summary>Looks up which of a destination's keys the source does not have.</summary>
    /// <inheritdoc cref="ReadAsync"/>
    Task<ReadChunk> FindMissingAsync(
        ChunkTable table, KeyRun run, WatchMark watched, Func<ICopySource, CancellationToken, Task<long>> into, CancellationToken cancellationToken);

    /// <summary>Who a transaction is that is in progress to everybody: pid, application, what it waits for. Null when it has ended.</summary>
    Task<string?> DescribeTransactionAsync(uint xid, CancellationToken cancellationToken);

    /// <summary>How many rows there are to read.</summary>
    /// <param name="mayEstimate">Of a large table the planner's estimate will do: counting reads all of it.</param>
    Task<long> CountAsync(ChunkTable table, bool mayEstimate, CancellationToken cancellationToken);

    /// <summary>Writes a message into the WAL that nobody reads, so that a stream that has nothing to say moves on. Also while a chunk is being read.</summary>
    Task NudgeAsync(CancellationToken cancellationToken);
}
