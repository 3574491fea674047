using Rosetta.Core.Changes;
using Rosetta.Core.Tables;

namespace Rosetta.Core.Options;

/// <summary>Rewrites the changes of one table in one shape as its options say: drops what is ignored, turns deletes into marks, adds columns.</summary>
sealed class RelationOptions
{
    readonly TableOptions _options;
    readonly int[] _key;
    readonly bool[] _isKey;
    readonly int _added;

    /// <param name="table">The source's table, for its key under REPLICA IDENTITY FULL; null when it is gone.</param>
    public RelationOptions(TableOptions options, Relation relation, TableDescription? table)
    {
        _options = options;
        Relation = relation;
        var added = options.Columns.ToList();
        _added = added.Count;
        // Inside an old key tuple the key's columns have values and no others; a whole old row tells nothing about the key.
        _isKey = [.. relation.Columns.Select(c => relation.Identity == ReplicaIdentity.Full ? table?.PrimaryKey.Contains(c.Name) ?? false : c.IsKey)];
        _key = [.. Enumerable.Range(0, _isKey.Length).Where(i => _isKey[i])];
        Output = added.Count == 0
            ? relation
            : relation with { Columns = [.. relation.Columns, .. added.Select(c => new RelationColumn(c.Name, c.TypeOid, c.TypeModifier, false))] };
    }

    /// <summary>The shape of the rows that come.</summary>
    public Relation Relation { get; }

    /// <summary>The shape of the rows that go.</summary>
    public Relation Output { get; }

    /// <summary>Rows are found by a key, so that one that is there can be told from one that is not.</summary>
    bool LooksForRow => _options.MayHaveRow && _key.Length > 0;

    /// <summary>Writes what becomes of a change: one or two.</summary>
    public void Write(ReadOnlySpan<byte> bytes, in Change change, in TransactionSpan transaction, ref PooledBytes output, ref PooledChanges changes)
    {
        switch (change.Kind)
        {
            case ChangeKind.Insert:
                var row = WriteRow(bytes, change, transaction, ref output);
                changes.Add(LooksForRow
                    ? new Change(ChangeKind.Update, ChangeFlags.MayBeAbsent | ChangeFlags.CountsAsInsert, change.Relation, -1, row, output.Length)
                    : change with { New = row, End = output.Length });
                break;
            case ChangeKind.Update when (_options.Ignore & IgnoredChanges.Update) != 0:
            case ChangeKind.Delete when (_options.Ignore & IgnoredChanges.Delete) != 0:
                changes.Add(new Change(ChangeKind.Filtered, ChangeFlags.None, change.Relation, -1, -1, output.Length));
                break;
            case ChangeKind.Update:
                WriteUpdate(bytes, change, transaction, ref output, ref changes);
                break;
            case ChangeKind.Delete when _options.SoftDeletes:
                changes.Add(WriteMark(bytes, change, transaction, ChangeKind.Delete, ChangeFlags.CountsAsDelete, ref output));
                break;
            case ChangeKind.Delete:
                var old = output.Length;
                output.Write(bytes[change.Old..change.End]);
                changes.Add(change with { Old = old, End = output.Length });
                break;
            default:
                // A TRUNCATE has no rows; the destination knows what it means to the table.
                changes.Add(change);
                break;
        }
    }

    void WriteUpdate(ReadOnlySpan<byte> bytes, in Change change, in TransactionSpan transaction, ref PooledBytes output, ref PooledChanges changes)
    {
        if (LooksForRow && change.HasOld && KeyMoves(bytes, change))
        {
            if (_options.SoftDeletes && IsKnown(bytes, change))
            {
                // The row of the old key stays as a mark, that of the new key may be one.
                changes.Add(WriteMark(bytes, change, transaction, ChangeKind.Delete, ChangeFlags.CountsAsInsert | ChangeFlags.CountsAsDelete, ref output));
                var whole = WriteRow(bytes, change, transaction, ref output);
                changes.Add(new Change(ChangeKind.Update, ChangeFlags.MayBeAbsent, change.Relation, -1, whole, output.Length));
                return;
            }

            changes.Add(WriteDeleteOfNewKey(bytes, change, ref output));
        }

        var old = -1;
        if (change.HasOld)
        {
            old = output.Length;
            output.Write(bytes[change.Old..change.New]);
        }

        var fresh = WriteRow(bytes, change with { Old = -1 }, transaction, ref output);
        changes.Add(change with { Old = old, New = fresh, End = output.Length });
    }

    /// <summary>The new tuple with the added columns; values that it leaves out are those of a whole old row, where there is one.</summary>
    int WriteRow(ReadOnlySpan<byte> bytes, in Change change, in TransactionSpan transaction, ref PooledBytes output)
    {
        var start = output.Length;
        output.WriteCount(_isKey.Length + _added);
        if (change.HasOld && (change.Flags & ChangeFlags.OldIsFull) != 0)
        {
            var old = new TupleReader(bytes, change.Old);
            var fresh = new TupleReader(bytes, change.New);
            while (fresh.Read() && old.Read())
                output.WriteValue(fresh.Kind == ValueKind.Unchanged ? old.Kind : fresh.Kind, fresh.Kind == ValueKind.Unchanged ? old.Value : fresh.Value);
        }
        else
        {
            output.Write(bytes[(change.New + TupleHead)..change.End]);
        }

        OptionValues.Write(ref output, _options, change.Kind, transaction);
        return start;
    }

    /// <summary>Of the row of the old tuple only the key is said, and that it is deleted.</summary>
    Change WriteMark(
        ReadOnlySpan<byte> bytes, in Change change, in TransactionSpan transaction, ChangeKind kind, ChangeFlags counts, ref PooledBytes output)
    {
        var start = output.Length;
        output.WriteCount(_isKey.Length + _added);
        var old = new TupleReader(bytes, change.Old);
        while (old.Read())
            output.WriteValue(_isKey[old.Column] ? old.Kind : ValueKind.Unchanged, _isKey[old.Column] ? old.Value : default);
        OptionValues.Write(ref output, _options, kind, transaction);
        return new Change(ChangeKind.Update, counts, change.Relation, -1, start, output.Length);
    }

    /// <summary>What may still be there under the key that a row moves to goes.</summary>
    Change WriteDeleteOfNewKey(ReadOnlySpan<byte> bytes, in Change change, ref PooledBytes output)
    {
        var start = output.Length;
        output.WriteCount(_isKey.Length);
        var fresh = new TupleReader(bytes, change.New);
        var old = new TupleReader(bytes, change.Old);
        while (fresh.Read() && old.Read())
        {
            var unchanged = fresh.Kind == ValueKind.Unchanged;
            if (_isKey[fresh.Column])
                output.WriteValue(unchanged ? old.Kind : fresh.Kind, unchanged ? old.Value : fresh.Value);
            else
                output.WriteValue(ValueKind.Null, default);
        }

        return new Change(
            ChangeKind.Delete, ChangeFlags.OldIsKey | ChangeFlags.MayBeAbsent | ChangeFlags.CountsAsInsert | ChangeFlags.CountsAsDelete, change.Relation, start, -1,
            output.Length);
    }

    bool KeyMoves(ReadOnlySpan<byte> bytes, in Change change)
    {
        var fresh = new TupleReader(bytes, change.New);
        var old = new TupleReader(bytes, change.Old);
        while (fresh.Read() && old.Read())
        {
            if (_isKey[fresh.Column] && fresh.Kind != ValueKind.Unchanged && !fresh.Value.SequenceEqual(old.Value))
                return true;
        }

        return false;
    }

    static bool IsKnown(ReadOnlySpan<byte> bytes, in Change change)
    {
        if ((change.Flags & ChangeFlags.OldIsFull) != 0)
            return true;
        var fresh = new TupleReader(bytes, change.New);
        while (fresh.Read())
        {
            if (fresh.Kind == ValueKind.Unchanged)
                return false;
        }

        return true;
    }

    const int TupleHead = 2;
}
