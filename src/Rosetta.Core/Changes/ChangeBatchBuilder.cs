using System.Buffers;
using Rosetta.Core.Positions;

namespace Rosetta.Core.Changes;

/// <summary>
/// Gathers decoded changes into a <see cref="ChangeBatch"/>. One per reader, reused: <see cref="Build"/> hands the arrays over and begins
/// anew, remembering a transaction that is still open. Tuples are copied once, as pgoutput sent them. Not thread-safe.
/// </summary>
public sealed class ChangeBatchBuilder
{
    const int InitialBytes = 64 * 1024;
    const int InitialChanges = 512;
    const int InitialTransactions = 64;

    byte[] _bytes = ArrayPool<byte>.Shared.Rent(InitialBytes);
    Change[] _changes = ArrayPool<Change>.Shared.Rent(InitialChanges);
    TransactionSpan[] _transactions = ArrayPool<TransactionSpan>.Shared.Rent(InitialTransactions);
    int _length;
    int _changeCount;
    int _transactionCount;
    List<Relation> _relations = [];
    Relation? _lastRelation;
    int _lastRelationIndex;

    bool _open;
    bool _startsHere;
    uint _xid;
    Lsn _commitLsn;
    long _commitTime;
    int _first;
    long _firstOrdinal;

    /// <summary>Changes gathered so far.</summary>
    public int Count => _changeCount;

    /// <summary>Bytes of tuples gathered so far.</summary>
    public int Length => _length;

    /// <summary>A transaction began and its commit has not come.</summary>
    public bool InTransaction => _open;

    /// <summary>An earlier batch had a piece of the open transaction.</summary>
    public bool ContinuesEarlier => _open && !_startsHere;

    /// <summary>The last transaction ended here and began in an earlier batch.</summary>
    public bool EndedEarlier => !_open && _transactionCount > 0 && _transactions[_transactionCount - 1] is { StartsHere: false };

    /// <summary>See <see cref="ChangeBatch.DeliveredUpTo"/>; never goes back.</summary>
    public Lsn DeliveredUpTo { get; private set; }

    /// <summary>Nothing to hand out: no change, no transaction that ended, no progress since the last build.</summary>
    public bool IsEmpty => _transactionCount == 0 && (!_open || _changeCount == _first) && !_advanced;

    bool _advanced;

    /// <param name="firstOrdinal">Ordinal of the first change that follows, when what comes is not all of the transaction.</param>
    public void Begin(uint xid, Lsn commitLsn, long commitTime, long firstOrdinal = 0)
    {
        if (_open)
            throw new InvalidOperationException($"Transaction {commitLsn} began inside transaction {_commitLsn}.");
        _open = true;
        _startsHere = true;
        _xid = xid;
        _commitLsn = commitLsn;
        _commitTime = commitTime;
        _first = _changeCount;
        _firstOrdinal = firstOrdinal;
        if (commitLsn > DeliveredUpTo)
            DeliveredUpTo = commitLsn;
    }

    /// <summary>Ends the open transaction. One without changes leaves only progress behind.</summary>
    public void Commit(Lsn endLsn)
    {
        if (!_open)
            throw new InvalidOperationException($"A commit at {endLsn} came without a transaction.");
        if (_changeCount > _first || !_startsHere)
            AddSpan(endLsn, endsHere: true);
        _open = false;
        Advance(endLsn);
    }

    /// <summary>Everything before <paramref name="deliveredUpTo"/> has been delivered (a keepalive's WAL end). Ignored inside a transaction.</summary>
    public void Advance(Lsn deliveredUpTo)
    {
        if (_open || deliveredUpTo <= DeliveredUpTo)
            return;
        DeliveredUpTo = deliveredUpTo;
        _advanced = true;
    }

    public void AddInsert(Relation relation, ReadOnlySpan<byte> newTuple) => Add(ChangeKind.Insert, ChangeFlags.None, relation, default, newTuple);

    /// <param name="oldKind"><see cref="ChangeFlags.OldIsKey"/> or <see cref="ChangeFlags.OldIsFull"/> with an old tuple, else None.</param>
    public void AddUpdate(Relation relation, ChangeFlags oldKind, ReadOnlySpan<byte> oldTuple, ReadOnlySpan<byte> newTuple) =>
        Add(ChangeKind.Update, oldKind, relation, oldTuple, newTuple);

    public void AddDelete(Relation relation, ChangeFlags oldKind, ReadOnlySpan<byte> oldTuple) =>
        Add(ChangeKind.Delete, oldKind, relation, oldTuple, default);

    /// <param name="options">TruncateCascade and TruncateRestartIdentity.</param>
    public void AddTruncate(IReadOnlyList<Relation> relations, ChangeFlags options)
    {
        for (var i = 0; i < relations.Count; i++)
            Add(ChangeKind.Truncate, i < relations.Count - 1 ? options | ChangeFlags.TruncateContinues : options, relations[i], default, default);
    }

    /// <summary>Hands out what was gathered, held once by the caller, and begins the next batch.</summary>
    public ChangeBatch Build()
    {
        // A transaction of which an earlier batch had a piece stays visibly open, also without a new change.
        if (_open && (_changeCount > _first || !_startsHere))
        {
            var ordinals = _changeCount - _first;
            AddSpan(Lsn.Zero, endsHere: false);
            _firstOrdinal += ordinals;
            _startsHere = false;
        }

        var batch = new ChangeBatch(
            _bytes, _length, _changes, _changeCount, _transactions, _transactionCount, _relations, DeliveredUpTo);
        _bytes = ArrayPool<byte>.Shared.Rent(Math.Clamp(_length, 1024, InitialBytes));
        _changes = ArrayPool<Change>.Shared.Rent(Math.Clamp(_changeCount, 16, InitialChanges));
        _transactions = ArrayPool<TransactionSpan>.Shared.Rent(Math.Clamp(_transactionCount, 4, InitialTransactions));
        _length = _changeCount = _transactionCount = _first = 0;
        _relations = [];
        _lastRelation = null;
        _advanced = false;
        return batch;
    }

    /// <summary>A change as it came before.</summary>
    public void Add(ChangeKind kind, ChangeFlags flags, Relation relation, ReadOnlySpan<byte> oldTuple, ReadOnlySpan<byte> newTuple)
    {
        if (!_open)
            throw new InvalidOperationException("A change came outside a transaction.");
        var needed = _length + oldTuple.Length + newTuple.Length;
        if (needed > _bytes.Length)
            Grow(ref _bytes, _length, needed);
        if (_changeCount == _changes.Length)
            Grow(ref _changes, _changeCount, _changeCount + 1);

        var old = -1;
        var fresh = -1;
        if (!oldTuple.IsEmpty)
        {
            old = _length;
            oldTuple.CopyTo(_bytes.AsSpan(_length));
            _length += oldTuple.Length;
        }

        if (!newTuple.IsEmpty)
        {
            fresh = _length;
            newTuple.CopyTo(_bytes.AsSpan(_length));
            _length += newTuple.Length;
        }

        _changes[_changeCount++] = new Change(kind, flags, IndexOf(relation), old, fresh, _length);
    }

    int IndexOf(Relation relation)
    {
        if (ReferenceEquals(relation, _lastRelation))
            return _lastRelationIndex;
        // From the end: the newest shape of a table is the one that is spoken of. No lambda here: this runs for each change.
        var index = _relations.Count - 1;
        while (index >= 0 && !ReferenceEquals(_relations[index], relation))
            index--;
        if (index < 0)
        {
            index = _relations.Count;
            _relations.Add(relation);
        }

        _lastRelation = relation;
        _lastRelationIndex = index;
        return index;
    }

    void AddSpan(Lsn endLsn, bool endsHere)
    {
        if (_transactionCount == _transactions.Length)
            Grow(ref _transactions, _transactionCount, _transactionCount + 1);
        _transactions[_transactionCount++] = new TransactionSpan(
            _xid, _commitLsn, endLsn, _commitTime, _first, _changeCount - _first, _firstOrdinal, _startsHere, endsHere);
    }

    static void Grow<T>(ref T[] array, int used, int needed)
    {
        var larger = ArrayPool<T>.Shared.Rent(Math.Max(needed, array.Length * 2));
        array.AsSpan(0, used).CopyTo(larger);
        ArrayPool<T>.Shared.Return(array);
        array = larger;
    }
}
