using System.Buffers;
using Rosetta.Core.Changes;

namespace Rosetta.Postgres.Destination.Fold;

/// <summary>What is left of a key's changes.</summary>
enum FoldedRow : byte
{
    /// <summary>The row is gone.</summary>
    None,

    /// <summary>The row is new at the destination (what was there before, if anything, is deleted first).</summary>
    Insert,

    /// <summary>The row is there and gets new values.</summary>
    Update,

    /// <summary>In a table that is being copied: not all of the row's values are known, so it is read from the source again.</summary>
    Pending,
}

/// <summary>A key's entry in a fold.</summary>
/// <param name="DeleteFirst">A row that was there before the group has to go.</param>
/// <param name="Shape">The columns that <paramref name="Row"/> has values for.</param>
record struct FoldedKey(FoldedRow Final, bool DeleteFirst, int Shape, RowRef Row);

/// <summary>
/// Folds a run of changes of one table to the last state of each key. Pure: bytes in, entries out. Rows that are only inserted can be
/// gathered without looking at their keys (<see cref="Append"/>), when the run holds nothing else for the table.
/// </summary>
sealed class TableFold : IDisposable
{
    readonly RowSource _rows;
    readonly RowShapes _shapes;
    readonly int[] _key;
    readonly int[] _identity;
    readonly KeyIndex _index = new();
    readonly ulong[] _present;
    FoldedKey[] _entries = [];
    RowRef[] _inserts = [];

    /// <param name="rows">Where the tuples lie.</param>
    /// <param name="shapes">The relation's column sets.</param>
    /// <param name="key">Key columns (positions in the relation, ascending); empty for a table that is only appended to.</param>
    /// <param name="identity">Columns of the replica identity: those an old key tuple has values for.</param>
    public TableFold(RowSource rows, RowShapes shapes, int[] key, int[] identity)
    {
        _rows = rows;
        _shapes = shapes;
        _key = key;
        _identity = identity;
        _present = new ulong[shapes.Words];
    }

    /// <summary>Rows gathered by <see cref="Append"/>.</summary>
    public ReadOnlySpan<RowRef> Appended => _inserts.AsSpan(0, AppendedCount);

    public int AppendedCount { get; private set; }

    /// <summary>The keys' last states, in order of their first change.</summary>
    public ReadOnlySpan<FoldedKey> Keys => _entries.AsSpan(0, _index.Count);

    /// <summary>
    /// The table is being copied: a row that an insert makes may be there, and one that an update speaks of may not.
    /// </summary>
    public bool IsCopying { get; set; }

    /// <summary>Some changes moved rows to other keys, so that one key's state depends on another's.</summary>
    public bool HasMoves { get; private set; }

    public bool IsEmpty => _index.Count == 0 && AppendedCount == 0;

    /// <summary>A key's bytes: kind, length and value of each key column.</summary>
    public ReadOnlySpan<byte> KeyOf(int number) => _index.KeyOf(number);

    /// <summary>Gathers an inserted row without a look at its key.</summary>
    public void Append(int batch, in Change change)
    {
        if (AppendedCount == _inserts.Length)
            Grow(ref _inserts, AppendedCount);
        _inserts[AppendedCount++] = new RowRef(batch, change.New, change.End - change.New);
    }

    /// <summary>Folds one insert, update or delete in.</summary>
    /// <returns>
    /// False when the change cannot be folded: a moved key whose row is not wholly known, a key without value, or a change that contradicts an
    /// earlier one. The run has to be applied in source order then; what was folded is of no use.
    /// </returns>
    public bool TryAdd(int batch, in Change change)
    {
        var bytes = _rows.Batches[batch].Bytes;
        switch (change.Kind)
        {
            case ChangeKind.Insert:
                return TryInsert(Entry(bytes, change.New, -1, change.End - change.New), new RowRef(batch, change.New, change.End - change.New), RowShapes.Full);
            case ChangeKind.Delete:
                return TryDelete(Entry(bytes, change.Old, -1, change.End - change.Old), MayBeAbsent(change));
            case ChangeKind.Update:
                return TryUpdate(batch, bytes, change);
            default:
                throw new InvalidOperationException($"{change.Kind} is a barrier, not a change to fold.");
        }
    }

    public void Clear()
    {
        if (_index.Count > 0)
            _index.Clear();
        AppendedCount = 0;
        HasMoves = false;
    }

    bool TryUpdate(int batch, ReadOnlySpan<byte> bytes, in Change change)
    {
        var row = new RowRef(batch, change.New, change.End - change.New);
        var shape = Tuples.ReadShape(bytes, change.New, _present) ? RowShapes.Full : _shapes.NumberOf(_present);
        if (shape != RowShapes.Full && change.HasOld)
            shape = FillFromOld(bytes, change, ref row);

        var number = Entry(bytes, change.New, change.Old, change.End - change.New + (change.HasOld ? change.New - change.Old : 0));
        if (number < 0)
            return false;
        if (!change.HasOld)
            return TryReplace(number, row, shape, MayBeAbsent(change));
        var from = Entry(bytes, change.Old, -1, change.New - change.Old);
        if (from < 0)
            return false;
        return from == number ? TryReplace(number, row, shape, MayBeAbsent(change)) : TryMove(from, number, row, shape, MayBeAbsent(change));
    }

    int FillFromOld(ReadOnlySpan<byte> bytes, in Change change, ref RowRef row)
    {
        var old = new RowRef(row.Batch, change.Old, change.New - change.Old);
        var (offset, length) = Tuples.Merge(
            _rows.Merged, bytes, row, bytes, old, (change.Flags & ChangeFlags.OldIsFull) != 0 ? default : _identity);
        row = new RowRef(RowRef.Merged, offset, length);
        return ShapeOf(row);
    }

    int ShapeOf(RowRef row) => Tuples.ReadShape(_rows.BytesOf(row), row.Offset, _present) ? RowShapes.Full : _shapes.NumberOf(_present);

    /// <summary>The key's entry; a new one is of kind Update without a row (<see cref="RowRef.Length"/> 0), which its first change settles.</summary>
    int Entry(ReadOnlySpan<byte> bytes, int tuple, int fallback, int bound)
    {
        var length = Tuples.WriteKey(bytes, tuple, fallback, _key, _index.Candidate(bound + (5 * _key.Length)));
        if (length < 0)
            return -1;
        var number = _index.FindOrAdd(length, out var added);
        if (added)
        {
            if (number >= _entries.Length)
                Grow(ref _entries, number);
            _entries[number] = new FoldedKey(FoldedRow.Update, false, RowShapes.Full, default);
        }

        return number;
    }

    static bool IsUntouched(in FoldedKey entry) => entry.Final == FoldedRow.Update && entry.Row.Length == 0;

    bool TryInsert(int number, RowRef row, int shape)
    {
        if (number < 0)
            return false;
        ref var entry = ref _entries[number];
        // An insert over a row that lives contradicts the stream.
        if (!IsUntouched(entry) && entry.Final != FoldedRow.None && !IsCopying)
            return false;
        entry = new FoldedKey(FoldedRow.Insert, entry.DeleteFirst || IsCopying, shape, row);
        return true;
    }

    static bool MayBeAbsent(in Change change) => (change.Flags & ChangeFlags.MayBeAbsent) != 0;

    bool TryDelete(int number, bool mayBeAbsent = false)
    {
        if (number < 0)
            return false;
        ref var entry = ref _entries[number];
        if (entry.Final == FoldedRow.None)
            return mayBeAbsent;
        entry = new FoldedKey(FoldedRow.None, entry.DeleteFirst || entry.Final == FoldedRow.Update, RowShapes.Full, default);
        return true;
    }

    bool Pend(int number)
    {
        if (number < 0)
            return false;
        _entries[number] = new FoldedKey(FoldedRow.Pending, true, RowShapes.Full, default);
        return true;
    }

    bool TryReplace(int number, RowRef row, int shape, bool mayBeAbsent)
    {
        ref var entry = ref _entries[number];
        if (entry.Final == FoldedRow.Pending)
            return shape != RowShapes.Full || TryInsert(number, row, shape);
        if (entry.Final == FoldedRow.None)
            return mayBeAbsent && shape == RowShapes.Full && TryInsert(number, row, shape);
        if (shape != RowShapes.Full && !IsUntouched(entry))
            (row, shape) = MergeInto(row, entry.Row);
        entry = new FoldedKey(entry.Final, entry.DeleteFirst, shape, row);
        return true;
    }

    bool TryMove(int from, int to, RowRef row, int shape, bool mayBeAbsent)
    {
        HasMoves = true;
        if (_entries[from].Final == FoldedRow.None)
            return mayBeAbsent && shape == RowShapes.Full && TryInsert(to, row, shape);
        if (shape != RowShapes.Full)
        {
            var isKnown = !IsUntouched(_entries[from]) && _entries[from].Final != FoldedRow.Pending;
            if (isKnown)
                (row, shape) = MergeInto(row, _entries[from].Row);
            if (shape != RowShapes.Full)
                return IsCopying && TryDelete(from) && Pend(to);
        }

        return TryDelete(from) && TryInsert(to, row, shape);
    }

    (RowRef Row, int Shape) MergeInto(RowRef newer, RowRef older)
    {
        var (offset, length) = Tuples.Merge(_rows.Merged, _rows.BytesOf(newer), newer, _rows.BytesOf(older), older);
        var row = new RowRef(RowRef.Merged, offset, length);
        return (row, ShapeOf(row));
    }

    static void Grow<T>(ref T[] array, int used)
    {
        var larger = ArrayPool<T>.Shared.Rent(Math.Max(64, used * 2));
        array.AsSpan(0, used).CopyTo(larger);
        if (array.Length > 0)
            ArrayPool<T>.Shared.Return(array);
        array = larger;
    }

    public void Dispose()
    {
        _index.Dispose();
        if (_entries.Length > 0)
            ArrayPool<FoldedKey>.Shared.Return(_entries);
        if (_inserts.Length > 0)
            ArrayPool<RowRef>.Shared.Return(_inserts);
        _entries = [];
        _inserts = [];
        AppendedCount = 0;
    }
}
