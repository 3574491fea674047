using Rosetta.Core.Positions;

namespace Rosetta.Core.Chunks;

/// <summary>A table at the source as one snapshot shows it, to be compared as a whole. The snapshot is held until it is disposed of.</summary>
public interface IWholeSnapshot : IAsyncDisposable
{
    TransactionSnapshot Snapshot { get; }

    /// <summary>Every commit that the snapshot shows lies below.</summary>
    Lsn High { get; }

    /// <summary>How many rows there are, and the sum of their hashes: whatever their order.</summary>
    Task<BucketDigest> ReadAsync(CancellationToken cancellationToken);
}

/// <summary>
/// The destination's side of comparing a table as a whole, for one whose rows have no key: it is looked at in a snapshot that begins when the lane has passed
/// what the source's shows, and before it has applied any other change to the table. Only finding that moment has to be tried again under load, not the reading.
/// </summary>
public interface IWholeDigest : IAsyncDisposable
{
    /// <summary>A moment in what is applied: taken before the source's snapshot.</summary>
    WatchMark Watch();

    /// <summary>Fixes what the destination has. Called between two groups of the lane, which has passed the snapshot's <see cref="IWholeSnapshot.High"/>.</summary>
    /// <returns>Null, or why both snapshots have to be taken again.</returns>
    Task<string?> PlaceAsync(TransactionSnapshot snapshot, WatchMark watched, CancellationToken cancellationToken);

    /// <summary>Of what was fixed. The lane goes on meanwhile.</summary>
    Task<BucketDigest> ReadAsync(CancellationToken cancellationToken);
}
