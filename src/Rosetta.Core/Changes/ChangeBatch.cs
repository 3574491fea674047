using System.Buffers;
using System.Runtime.CompilerServices;
using Rosetta.Core.Positions;

namespace Rosetta.Core.Changes;

/// <summary>
/// The element of every stream: a run of whole transactions, or a piece of one large transaction, as pooled bytes and a compact index.
/// Immutable once built, shared by all lanes, counted: the arrays go back to the pool when the last holder releases it.
/// A batch without changes is legal: it carries <see cref="DeliveredUpTo"/> from a keepalive.
/// </summary>
public sealed class ChangeBatch
{
    readonly Change[] _changes;
    readonly TransactionSpan[] _transactions;
    readonly byte[] _bytes;
    readonly int _changeCount;
    readonly int _transactionCount;
    readonly int _length;
    int _references = 1;

    internal ChangeBatch(
        byte[] bytes, int length, Change[] changes, int changeCount, TransactionSpan[] transactions, int transactionCount,
        IReadOnlyList<Relation> relations, Lsn deliveredUpTo)
    {
        _bytes = bytes;
        _length = length;
        _changes = changes;
        _changeCount = changeCount;
        _transactions = transactions;
        _transactionCount = transactionCount;
        Relations = relations;
        DeliveredUpTo = deliveredUpTo;
    }

    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _length);

    /// <summary>The same bytes for readers that outlive a stack frame; valid while a reference is held.</summary>
    public ReadOnlyMemory<byte> Memory => _bytes.AsMemory(0, _length);

    public ReadOnlySpan<Change> Changes => _changes.AsSpan(0, _changeCount);

    public ReadOnlySpan<TransactionSpan> Transactions => _transactions.AsSpan(0, _transactionCount);

    /// <summary>The tables this batch's changes speak of, by <see cref="Change.Relation"/>.</summary>
    public IReadOnlyList<Relation> Relations { get; }

    /// <summary>
    /// Every transaction with a commit LSN below this was delivered by this batch or an earlier one. The end LSN of the last transaction, a
    /// later keepalive's WAL end, or, while <see cref="IsOpenAtEnd"/>, the open transaction's commit LSN.
    /// </summary>
    public Lsn DeliveredUpTo { get; }

    /// <summary>The last transaction goes on in the next batch.</summary>
    public bool IsOpenAtEnd => _transactionCount > 0 && !_transactions[_transactionCount - 1].EndsHere;

    /// <summary>The first transaction began in an earlier batch.</summary>
    public bool ContinuesAtStart => _transactionCount > 0 && !_transactions[0].StartsHere;

    public bool IsEmpty => _transactionCount == 0;

    /// <summary>What the batch costs while it is held, in bytes: the arrays as they were rented, used or not.</summary>
    public long Size => _bytes.Length + ((long)_changes.Length * ChangeSize) + ((long)_transactions.Length * SpanSize) + Overhead;

    static readonly int ChangeSize = Unsafe.SizeOf<Change>();
    static readonly int SpanSize = Unsafe.SizeOf<TransactionSpan>();

    /// <summary>The batch object, its list of relations, the node that a log keeps for it, and the arrays' headers.</summary>
    const int Overhead = 320;

    /// <summary>True when a destination whose position is <paramref name="position"/> (exclusive) needs nothing of this batch any more.</summary>
    public bool IsCoveredBy(Lsn position) => IsOpenAtEnd ? position > DeliveredUpTo : position >= DeliveredUpTo;

    /// <summary>
    /// The same transactions with other changes, one for one and in the same places. The arrays come from the shared pools and are the new batch's
    /// from here on; the caller holds it once.
    /// </summary>
    /// <param name="bytes">What the changes' offsets count in.</param>
    /// <param name="changes">As many as the batch has.</param>
    public ChangeBatch Rewritten(byte[] bytes, int length, Change[] changes, IReadOnlyList<Relation> relations)
    {
        var transactions = ArrayPool<TransactionSpan>.Shared.Rent(Math.Max(1, _transactionCount));
        Transactions.CopyTo(transactions);
        return new ChangeBatch(bytes, length, changes, _changeCount, transactions, _transactionCount, relations, DeliveredUpTo);
    }

    /// <summary>
    /// The same transactions with other changes, of which one may have become two: what a transaction's changes are counted by goes on by as many. The arrays
    /// come from the shared pools and are the new batch's from here on; the caller holds it once.
    /// </summary>
    /// <param name="transactions">As many as the batch has.</param>
    public ChangeBatch Rewritten(
        byte[] bytes, int length, Change[] changes, int changeCount, TransactionSpan[] transactions, IReadOnlyList<Relation> relations) =>
        new(bytes, length, changes, changeCount, transactions, _transactionCount, relations, DeliveredUpTo);

    /// <summary>
    /// The batch without its first transactions, those with a commit LSN below <paramref name="position"/>; held once more by the caller when none of them are.
    /// </summary>
    public ChangeBatch Without(Lsn position)
    {
        var gone = 0;
        while (gone < _transactionCount && _transactions[gone].CommitLsn < position)
            gone++;
        if (gone == 0)
            return Retain();
        var first = gone < _transactionCount ? _transactions[gone].First : _changeCount;
        var changes = ArrayPool<Change>.Shared.Rent(Math.Max(1, _changeCount - first));
        _changes.AsSpan(first, _changeCount - first).CopyTo(changes);
        var transactions = ArrayPool<TransactionSpan>.Shared.Rent(Math.Max(1, _transactionCount - gone));
        for (var i = gone; i < _transactionCount; i++)
            transactions[i - gone] = _transactions[i] with { First = _transactions[i].First - first };
        var bytes = ArrayPool<byte>.Shared.Rent(Math.Max(1, _length));
        Bytes.CopyTo(bytes);
        return new ChangeBatch(bytes, _length, changes, _changeCount - first, transactions, _transactionCount - gone, Relations, DeliveredUpTo);
    }

    /// <summary>Adds a holder. Only a holder may call it.</summary>
    public ChangeBatch Retain()
    {
        if (Interlocked.Increment(ref _references) <= 1)
            throw new InvalidOperationException("A change batch was retained after its last release.");
        return this;
    }

    /// <summary>Ends a hold; the last one returns the arrays to the pool.</summary>
    public void Release()
    {
        var left = Interlocked.Decrement(ref _references);
        if (left > 0)
            return;
        if (left < 0)
            throw new InvalidOperationException("A change batch was released more often than it was retained.");
        ArrayPool<byte>.Shared.Return(_bytes);
        ArrayPool<Change>.Shared.Return(_changes);
        ArrayPool<TransactionSpan>.Shared.Return(_transactions);
    }
}
