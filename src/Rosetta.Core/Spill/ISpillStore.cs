using Rosetta.Core.Errors;
using Rosetta.Core.Positions;

namespace Rosetta.Core.Spill;

/// <summary>
/// Keeps the changes that a destination still has to apply when the source's WAL is to be let go: whole transactions in the order of the stream, durably, so that the
/// slot moves. Every write carries the epoch of its pipeline's incarnation and is refused when a newer one has been issued.
/// </summary>
public interface ISpillStore : IAsyncDisposable
{
    /// <summary>
    /// Shuts out older incarnations of the pipeline, and lets go what nobody can use: logs of other generations of the destination, and parts behind the last end of a
    /// transaction, whose rest an incarnation did not get to write.
    /// </summary>
    /// <returns>What there is; null: nothing.</returns>
    /// <exception cref="FencedException">A newer epoch was issued.</exception>
    /// <exception cref="SpillStoreException">It is away.</exception>
    Task<SpillExtent?> OpenAsync(SpillLog log, long epoch, CancellationToken cancellationToken);

    /// <summary>Adds a part at the end; it is durable when this returns. Not to be repeated: after a failure the log is opened again, which says how far it goes.</summary>
    /// <param name="from">Where a log begins that has nothing yet: the parts have every transaction with a commit LSN from here on.</param>
    /// <exception cref="FencedException">A newer epoch was issued.</exception>
    /// <exception cref="SpillStoreException">It is away or full: the slot may not move.</exception>
    Task<SpillExtent> AppendAsync(SpillLog log, long epoch, Lsn from, SpillPart part, CancellationToken cancellationToken);

    /// <summary>The first part behind <paramref name="after"/> that does not reach past the last end of a transaction; null: there is none (yet).</summary>
    /// <param name="after">A <see cref="StoredPart.Sequence"/>; 0: from the first.</param>
    /// <exception cref="SpillStoreException">It is away, or the part is damaged.</exception>
    Task<StoredPart?> ReadAsync(SpillLog log, long after, CancellationToken cancellationToken);

    /// <summary>Lets go the parts that the destination has: all of which ends at or below its position. An emptied log is gone.</summary>
    /// <returns>What is left; null: nothing.</returns>
    /// <inheritdoc cref="AppendAsync" path="/exception"/>
    Task<SpillExtent?> RemoveAsync(SpillLog log, long epoch, Lsn position, CancellationToken cancellationToken);

    /// <summary>
    /// Lets all parts go for good and notes why: from now on the destination lacks changes, and stays known to until the log is forgotten or belongs to another generation.
    /// </summary>
    /// <inheritdoc cref="AppendAsync" path="/exception"/>
    Task AbandonAsync(SpillLog log, long epoch, string reason, CancellationToken cancellationToken);

    /// <summary>The logs of a pipeline, by destination; for whoever starts it, and for views. Those of old generations are left out.</summary>
    Task<IReadOnlyList<SpillExtent>> ListAsync(long pipelineId, CancellationToken cancellationToken);

    /// <summary>
    /// Removes what nobody can use any more: logs of older generations and of destinations that were taken out of the pipeline, logs of pipelines that are gone, and parts
    /// that were let go. In small pieces, beside whatever else is done with the logs; it may take long, and what it has not come to when it is cancelled stays for the next time.
    /// </summary>
    /// <returns>The parts that were removed.</returns>
    /// <exception cref="FencedException">A newer epoch was issued.</exception>
    /// <exception cref="SpillStoreException">It is away.</exception>
    Task<long> RemoveLeftoversAsync(long pipelineId, long epoch, CancellationToken cancellationToken);
}

/// <summary>The spill log of one destination of a pipeline.</summary>
/// <param name="Generation">Of the attachment: positions of another one mean something else.</param>
public sealed record SpillLog(long PipelineId, long DestinationId, Guid Generation);

/// <summary>What a spill log has.</summary>
/// <param name="From">A destination at this position or above it can go on from the log.</param>
/// <param name="Through">Exclusive: the log has every transaction from <paramref name="From"/> on with a commit LSN below, whole.</param>
/// <param name="Transactions">Of the parts that are there.</param>
/// <param name="Bytes">As they are stored, compressed.</param>
/// <param name="RawBytes">As <see cref="SpillPart.Payload"/>.</param>
/// <param name="Oldest">When the oldest part was written; null when there is none.</param>
/// <param name="Abandoned">Why it was given up; null: it was not.</param>
public sealed record SpillExtent(SpillLog Log, Lsn From, Lsn Through, long Parts, long Transactions, long Bytes, long RawBytes, DateTimeOffset? Oldest, string? Abandoned);

/// <summary>A run of batches, see <see cref="BatchCodec"/>.</summary>
/// <param name="Through">Exclusive: everything with a commit LSN below has come by its end; null: it ends inside a transaction, which goes on in the next part.</param>
/// <param name="Transactions">That end in it.</param>
public sealed record SpillPart(Lsn? Through, int Transactions, ReadOnlyMemory<byte> Payload);

/// <summary>A part that was read.</summary>
/// <param name="Sequence">Grows from part to part.</param>
public sealed record StoredPart(long Sequence, SpillPart Part);

/// <summary>The spill log cannot be written or read now.</summary>
/// <param name="fault">Transient: it is tried again. Operator: somebody has to act first, as its remedy says.</param>
public sealed class SpillStoreException(Fault fault, Exception? cause = null) : FaultException(fault, cause);
