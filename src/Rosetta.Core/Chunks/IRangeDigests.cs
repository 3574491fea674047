namespace Rosetta.Core.Chunks;

/// <summary>
/// The destination's side of comparing a table by digests: a range whose digests agree needs no row to be carried. Placed like a chunk: the destination is
/// looked at as it is when the lane has passed what the source's digest shows, and keys that were changed since are not judged by it.
/// </summary>
public interface IRangeDigests
{
    /// <summary>
    /// Fixes what the destination has, and which keys were changed. Called between two groups of the lane, which has passed the digest's
    /// <see cref="ReadDigest.High"/>; takes no longer than beginning a transaction.
    /// </summary>
    /// <returns>Null, or why the digest has to be read again.</returns>
    Task<string?> PlaceAsync(ReadDigest digest, CancellationToken cancellationToken);

    /// <summary>Compares what was fixed. The lane goes on meanwhile.</summary>
    Task<DigestVerdict> CompareAsync(ReadDigest digest, CancellationToken cancellationToken);

    /// <summary>Everything up to the end of <paramref name="range"/> is equal now. Called between two groups.</summary>
    /// <param name="rows">Rows since the last that was stored.</param>
    /// <exception cref="Errors.FencedException">A newer incarnation is there.</exception>
    Task PassedAsync(ChunkRange range, long rows, CancellationToken cancellationToken);
}
