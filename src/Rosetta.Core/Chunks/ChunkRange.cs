namespace Rosetta.Core.Chunks;

/// <summary>The rows of a table whose key lies in an interval, in the key's order; or those of some keys.</summary>
/// <param name="After">The key before the first, in text form, column by column; null: from the beginning.</param>
/// <param name="UpTo">The last key; null: to the end.</param>
public sealed record ChunkRange(IReadOnlyList<string>? After, IReadOnlyList<string>? UpTo)
{
    /// <summary>Set: not an interval but these keys.</summary>
    public IReadOnlyList<IReadOnlyList<string>>? Keys { get; init; }

    /// <summary>Set: only the rows of the interval whose key falls into these buckets (<see cref="RangeDigest"/>). The interval is not finished with them.</summary>
    public IReadOnlyList<int>? Buckets { get; init; }

    /// <summary>All rows of an interval: with them it is finished.</summary>
    public bool IsWhole => Keys is null && Buckets is null;

    public bool IsLast => UpTo is null && Keys is null;
}

/// <summary>A chunk that was read and waits for its place in the lane.</summary>
/// <param name="Snapshot">What it was read in.</param>
/// <param name="Watched">From where on changes were noted; taken before the snapshot.</param>
/// <param name="High">Every transaction that the snapshot shows has its commit below: the chunk is placed once the lane has passed it.</param>
public sealed record ReadChunk(ChunkRange Range, TransactionSnapshot Snapshot, WatchMark Watched, Positions.Lsn High, long Rows, long Bytes)
{
    /// <summary>Set: no range was read, but keys of the destination looked up.</summary>
    public SweptKeys? Swept { get; init; }
}

/// <summary>A moment in what a lane has applied.</summary>
/// <param name="Stage">Where the chunk's rows are put until it lands.</param>
public readonly record struct WatchMark(long Keys, long Transactions, int Stage);

/// <summary>What became of a chunk at its place. Rows that were left alone because something newer had come are not counted.</summary>
/// <param name="ReadAgain">Null when it landed; otherwise why nothing was done and it has to be read again.</param>
public sealed record ChunkLanding(long Inserted, long Updated, long Deleted, string? ReadAgain)
{
    public bool HasLanded => ReadAgain is null;

    /// <summary>There was nothing to change.</summary>
    public bool IsEmpty => Inserted + Updated + Deleted == 0;

    /// <summary>Parked changes that it has made pointless.</summary>
    public long Superseded { get; init; }

    /// <summary>Of a comparison or a repair: the first rows that differ.</summary>
    public IReadOnlyList<DifferingKey> Keys { get; init; } = [];

    /// <summary>The transaction at the source that it waits for.</summary>
    public uint? WaitsFor { get; init; }
}
