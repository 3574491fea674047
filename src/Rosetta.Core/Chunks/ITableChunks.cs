using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;

namespace Rosetta.Core.Chunks;

/// <summary>What the chunks of a table are for.</summary>
public enum ChunkPurpose
{
    /// <summary>The table's first copy, or its resync: the table does not stream before its end.</summary>
    Copy,

    /// <summary>Rows of a table that streams, brought again; others stay. What has landed is stored by the job's name.</summary>
    Backfill,

    /// <summary>Nothing is changed: only counted what would be.</summary>
    Compare,

    /// <summary>No ranges, only the keys that are pending of a table that streams.</summary>
    Keys,

    /// <summary>Rows of a table that streams that differ are made equal, those that only the destination has are deleted.</summary>
    Repair,
}

/// <summary>A table that is to be brought to a destination by chunks while its changes are applied.</summary>
/// <param name="Replace">Rows that are there may be changed and deleted (a resync); false: a target with rows is refused.</param>
/// <param name="Restart">Begin anew although an earlier incarnation got some way.</param>
/// <param name="Since">The lane's position.</param>
public sealed record ChunkedCopy(TableRoute Route, ChunkTable Table, bool Replace, bool Restart, Lsn Since)
{
    public ChunkPurpose Purpose { get; init; } = ChunkPurpose.Copy;

    /// <summary>Names a backfill, so that it goes on where it was.</summary>
    public string? Job { get; init; }

    /// <summary>Stored with the table: the <see cref="TableRoute.Fingerprint"/> of what makes its rows.</summary>
    public string? Transform { get; init; }

    /// <summary>Rows that only the destination has are deleted.</summary>
    public bool DeletesExtra => !Route.Options.KeepsExtra && Purpose switch
    {
        ChunkPurpose.Copy => Replace,
        ChunkPurpose.Compare or ChunkPurpose.Repair => true,
        _ => false,
    };
}

/// <summary>
/// The destination's side of a table that is copied by chunks: what was finished is stored there with the rows themselves. From the moment it is opened
/// changes of the table are applied whether the row they speak of is there or not, and noted for chunks that were read before them.
/// </summary>
public interface ITableChunks : IAsyncDisposable
{
    /// <summary>Where to go on: the last key that was finished; null for the beginning.</summary>
    IReadOnlyList<string>? FinishedUpTo { get; }

    /// <summary>What an earlier copy in the order of the source's storage has brought; the chunks are those of the rest.</summary>
    PageMark? FinishedPages { get; }

    /// <summary>Every range has landed; only keys may be left: those that only the destination has (<see cref="IsSwept"/>), and single ones (<see cref="PendingAsync"/>).</summary>
    bool RangesAreFinished { get; }

    /// <summary>The destination's keys need not be looked up at the source (any more).</summary>
    bool IsSwept { get; }

    /// <summary>Rows of the chunks that have landed.</summary>
    long Rows { get; }

    /// <summary>
    /// Loads a range straight into the table, in one transaction with what says that it is finished. Only while no changes are applied, and of rows that the
    /// table does not have. Returns when all bytes are on their way: ranges land in their order, each while the next one is loaded.
    /// </summary>
    /// <param name="range">Known once the first bytes have come.</param>
    Task LoadAsync(ICopySource rows, Func<LoadedRange> range, IProgress<CopyProgress>? progress, CancellationToken cancellationToken);

    /// <summary>Waits until everything that was loaded has landed.</summary>
    Task LandedAsync();

    /// <summary>How many chunks may be under way at once: one is read while another lands.</summary>
    const int Stages = 2;

    /// <summary>A moment in what is applied: taken before a chunk's snapshot.</summary>
    /// <param name="stage">Below <see cref="Stages"/>; not that of a chunk that has still to land.</param>
    WatchMark Watch(int stage);

    /// <summary>Takes a chunk's rows to the destination, beside the table.</summary>
    /// <returns>Their number.</returns>
    Task<long> StageAsync(int stage, ICopySource rows, CancellationToken cancellationToken);

    /// <summary>
    /// Brings the staged chunk into the table, in one transaction with what says that it is finished. Called between two groups of the lane, which has passed
    /// the chunk's <see cref="ReadChunk.High"/>.
    /// </summary>
    /// <param name="callOff">Cancelled: it is undone, unless it has come as far as its commit. Whether that has been carried out must not stay open, since changes are applied after it.</param>
    /// <exception cref="Errors.FencedException">A newer incarnation is there.</exception>
    Task<ChunkLanding> LandAsync(ReadChunk chunk, CancellationToken cancellationToken, CancellationToken callOff = default);

    /// <summary>It is worth asking the source for digests.</summary>
    bool MayHaveDigests { get; }

    /// <summary>Makes ready to compare ranges by digests. Null: the rows here cannot be compared so with the source's, or there is none.</summary>
    /// <param name="form">From <see cref="IChunkSource.DescribeDigestAsync"/>.</param>
    Task<IRangeDigests?> OpenDigestsAsync(string form, CancellationToken cancellationToken);

    /// <summary>The destination's next keys to be looked up at the source, once all ranges have landed and while it <see cref="IsSwept">is not swept</see>.</summary>
    Task<KeyRun> NextKeysAsync(int most, CancellationToken cancellationToken);

    /// <summary>None of these keys, of which there are more, is missing at the source.</summary>
    void Skip(KeyRun run);

    /// <summary>Keys whose row has to be read again, since a change of them left out values that the destination did not have.</summary>
    Task<IReadOnlyList<IReadOnlyList<string>>> PendingAsync(int most, CancellationToken cancellationToken);

    /// <summary>The table streams from now on. Called between two groups. False: keys have become pending meanwhile.</summary>
    Task<bool> FinishAsync(CancellationToken cancellationToken);

    /// <summary>Gathers statistics of a table that was made for this copy, once it has finished; no pause of the lane is needed.</summary>
    Task AnalyzeAsync(CancellationToken cancellationToken);
}
