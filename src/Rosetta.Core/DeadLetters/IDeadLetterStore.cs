using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Core.DeadLetters;

/// <summary>
/// Keeps the payloads of parked changes, durably and in the order of their positions. Every write carries the epoch of its pipeline's incarnation and is
/// refused when a newer one has written to the queue. Writes can be repeated: an entry that is there already stays as it is, one that is gone is gone.
/// </summary>
public interface IDeadLetterStore : IAsyncDisposable
{
    /// <summary>Shuts out older incarnations of the pipeline from a queue.</summary>
    /// <exception cref="FencedException">A newer epoch has it.</exception>
    Task OpenAsync(DeadLetterQueue queue, long epoch, CancellationToken cancellationToken);

    /// <summary>Adds entries; they are durable when this returns. Few round trips, however many there are.</summary>
    /// <exception cref="FencedException">A newer epoch has the queue.</exception>
    /// <exception cref="DeadLetterStoreException">It is away, full, or not durable enough: nothing may be skipped at the destination.</exception>
    Task AppendAsync(DeadLetterQueue queue, long epoch, IReadOnlyList<DeadLetter> entries, CancellationToken cancellationToken);

    /// <summary>Entries in the order of their positions. Fewer than <paramref name="limit"/> only when there are no more.</summary>
    /// <param name="table">Null: of all tables.</param>
    /// <param name="after">Only those behind it; null: from the first.</param>
    Task<IReadOnlyList<DeadLetter>> ReadAsync(DeadLetterQueue queue, TableName? table, Position? after, int limit, CancellationToken cancellationToken);

    /// <summary>Certain entries, in the order of their positions; those that are not there are left out.</summary>
    Task<IReadOnlyList<DeadLetter>> ReadAsync(DeadLetterQueue queue, TableName table, IReadOnlyList<Position> at, CancellationToken cancellationToken);

    /// <summary>
    /// Notes tries that failed; the last one's failure becomes the entry's. One of an entry that is gone is passed over, and so are tries no later than the last one
    /// that is noted: they have been counted.
    /// </summary>
    /// <inheritdoc cref="AppendAsync" path="/exception"/>
    Task RecordTriesAsync(DeadLetterQueue queue, long epoch, IReadOnlyList<DeadLetterTry> tries, CancellationToken cancellationToken);

    /// <summary>Takes entries out for good: they have been applied, superseded or discarded, which the destination knows.</summary>
    /// <inheritdoc cref="AppendAsync" path="/exception"/>
    Task RemoveAsync(DeadLetterQueue queue, long epoch, TableName table, IReadOnlyList<Position> at, CancellationToken cancellationToken);

    /// <summary>Puts another payload in the place of an entry's, for good; all else of it stays. One that is gone is passed over.</summary>
    /// <inheritdoc cref="AppendAsync" path="/exception"/>
    Task ReplaceAsync(DeadLetterQueue queue, long epoch, TableName table, Position at, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken);

    /// <summary>Takes note that a queue is empty, if it is: an append that failed may have left it as one that has entries, which another store is refused for.</summary>
    /// <inheritdoc cref="AppendAsync" path="/exception"/>
    Task NoteIfEmptyAsync(DeadLetterQueue queue, long epoch, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>What is in a queue, by table, class and SQLSTATE.</summary>
    Task<IReadOnlyList<DeadLetterGroup>> SummarizeAsync(DeadLetterQueue queue, CancellationToken cancellationToken);

    /// <summary>Why it may not be the only copy of a change, with what mends it; null: it may.</summary>
    Task<Fault?> CheckAsync(CancellationToken cancellationToken);
}

/// <summary>A part of <see cref="IDeadLetterStore.SummarizeAsync"/>.</summary>
/// <param name="Class">Null: changes that wait behind another one of their key.</param>
/// <param name="Bytes">Of payloads.</param>
/// <param name="First">When the first of them was parked.</param>
/// <param name="Example">One of their errors.</param>
public sealed record DeadLetterGroup(
    TableName Table, ErrorClass? Class, string? SqlState, long Count, long Bytes, DateTimeOffset First, DateTimeOffset Last, string? Example);

/// <summary>The store cannot take or give entries now.</summary>
/// <param name="fault">Transient: it is tried again. Operator: somebody has to act first, as its remedy says.</param>
public sealed class DeadLetterStoreException(Fault fault, Exception? cause = null) : FaultException(fault, cause);
