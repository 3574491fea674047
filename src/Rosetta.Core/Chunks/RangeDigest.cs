namespace Rosetta.Core.Chunks;

/// <summary>
/// What is in a range of keys, in a few numbers: for each bucket that rows fall into by a hash of their key, how many there are and the sum of their hashes.
/// </summary>
/// <param name="Buckets">By number; one without rows is missing.</param>
public sealed record RangeDigest(IReadOnlyDictionary<int, BucketDigest> Buckets)
{
    /// <summary>How many buckets there are. Of a range of a hundred thousand rows one holds about a hundred: that many are read when one of them differs.</summary>
    public const int BucketCount = 1024;

    public long Rows => Buckets.Values.Sum(b => b.Rows);

    /// <summary>Buckets that are not the same on both sides.</summary>
    public IEnumerable<int> DifferingFrom(RangeDigest other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Buckets.Keys.Union(other.Buckets.Keys).Where(b => !Buckets.TryGetValue(b, out var here) || !other.Buckets.TryGetValue(b, out var there) || here != there);
    }
}

/// <param name="Sum">Of 64-bit hashes, exact, as text.</param>
public readonly record struct BucketDigest(long Rows, string Sum);

/// <summary>The digest of a range at the source, which waits for its place in the lane.</summary>
/// <inheritdoc cref="ReadChunk"/>
public sealed record ReadDigest(ChunkRange Range, TransactionSnapshot Snapshot, WatchMark Watched, Positions.Lsn High, RangeDigest Source);

/// <summary>What a comparison by digests says of a range.</summary>
/// <param name="Unsure">
/// Buckets whose rows have to be read: their digests differ, or keys in them were changed by transactions that the source's digest does not have.
/// </param>
/// <param name="Differing">How many of them differ although none of their keys was changed meanwhile.</param>
public sealed record DigestVerdict(IReadOnlyList<int> Unsure, int Differing);
