using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Transforms.Compilation;
using Rosetta.Transforms.Engine;
using Rosetta.Transforms.Evaluation;

namespace Rosetta.Transforms.Rewriting;

/// <summary>
/// Rewrites the changes of one table in one shape: gathers a batch's rows, evaluates them together, and writes the changes that the destination is to
/// have. A row that leaves the filter becomes a delete, one that enters it an insert, as far as the old row is known; where it is not, an update that
/// may find nothing.
/// </summary>
sealed class RelationRewriter : IDisposable
{
    readonly TransformEvaluator? _evaluator;
    readonly RowSet _rows;
    readonly EvaluatedRows _evaluated = new();
    readonly List<(int Change, Position At, int New, int Old)> _gathered = [];
    readonly Cell[] _newCells;
    readonly Cell[] _oldCells;
    int _next;

    public RelationRewriter(CompiledTransform transform, Relation relation, DuckEngine engine)
    {
        Transform = transform;
        Relation = relation;
        var keys = relation.Columns.Select(c => c.IsKey).ToArray();
        Output = relation with
        {
            Columns =
            [
                .. transform.Output.Select(c => c.IsComputed
                    ? new RelationColumn(c.Name, c.Type!.Oid, c.Type.Modifier, relation.Identity == ReplicaIdentity.Full)
                    : relation.Columns[c.Source] with { Name = c.Name, IsKey = keys[c.Source] }),
            ],
        };
        _rows = new RowSet(transform.Reads.Count);
        _newCells = new Cell[relation.Columns.Count];
        _oldCells = new Cell[relation.Columns.Count];
        _evaluator = transform.Evaluates ? new TransformEvaluator(transform, engine) : null;
    }

    public CompiledTransform Transform { get; }

    /// <summary>The shape of the rows that come.</summary>
    public Relation Relation { get; }

    /// <summary>The shape of the rows that go.</summary>
    public Relation Output { get; }

    /// <summary>Begins with a batch.</summary>
    public void Start(ReadOnlyMemory<byte> bytes)
    {
        _rows.Clear();
        _rows.AddBuffer(bytes);
        _gathered.Clear();
        _next = 0;
    }

    /// <summary>Takes a change's rows.</summary>
    /// <exception cref="TransformStopException">A value that is needed is not in the stream.</exception>
    public void Gather(ReadOnlySpan<byte> bytes, int index, in Change change, Position at)
    {
        if (_evaluator is null || change.Kind == ChangeKind.Truncate)
            return;
        var full = (change.Flags & ChangeFlags.OldIsFull) != 0;
        if (full)
            Locate(bytes, change.Old, _oldCells);
        var (fresh, old) = (-1, -1);
        if (change.HasNew)
        {
            Locate(bytes, change.New, _newCells);
            if (full)
                FillFromOld();
            RequireKnown(bytes, change, at);
            fresh = Add(_newCells);
        }

        if (full)
            old = Add(_oldCells);
        _gathered.Add((index, at, fresh, old));
    }

    /// <summary>Evaluates what was gathered.</summary>
    /// <exception cref="TransformStopException">An expression failed.</exception>
    public void Evaluate(ReadOnlySpan<byte> bytes, ReadOnlySpan<Change> changes)
    {
        if (_evaluator is null)
            return;
        try
        {
            _evaluator.Evaluate(_rows, _evaluated);
        }
        catch (EvaluationException e)
        {
            var (index, at) = e.Row < 0 ? (-1, _gathered.Count > 0 ? _gathered[0].At : default) : PlaceOf(e.Row);
            var key = index < 0 ? null : RowText.KeyOf(bytes, changes[index].HasNew ? changes[index].New : changes[index].Old, Relation, Transform.Request.Key);
            throw new TransformStopException(
                $"The transform of {Transform.Table} failed: {e.Message}",
                "Correct filter_sql or custom_sql of its table_syncs entry (TRY_CAST gives NULL instead of an error), or the row at the source.", at, key, e);
        }
    }

    /// <summary>Writes what becomes of a change; in the order of <see cref="Gather"/>.</summary>
    public Change Write(ReadOnlySpan<byte> bytes, in Change change, int relation, ref PooledBytes output)
    {
        if (change.Kind == ChangeKind.Truncate)
            return change with { Relation = relation };
        var (fresh, old) = _evaluator is null ? (-1, -1) : (_gathered[_next].New, _gathered[_next++].Old);
        var full = (change.Flags & ChangeFlags.OldIsFull) != 0;
        var filters = Transform.HasFilter;
        var enters = change.HasNew && (!filters || _evaluated.IsKept(fresh));
        // Null: the old row is not known.
        bool? was = change.Kind == ChangeKind.Insert ? false : !filters ? true : full ? _evaluated.IsKept(old) : null;
        if (change.HasNew)
        {
            Locate(bytes, change.New, _newCells);
            if (full)
            {
                Locate(bytes, change.Old, _oldCells);
                FillFromOld();
            }
        }

        return (enters, was) switch
        {
            (true, false) => WriteInsert(bytes, relation, fresh, ref output),
            (true, _) => WriteUpdate(bytes, change, relation, fresh, old, was is null, ref output),
            (false, false) => new Change(ChangeKind.Filtered, ChangeFlags.None, relation, -1, -1, output.Length),
            _ => WriteDelete(bytes, change, relation, old, was is null, ref output),
        };
    }

    Change WriteInsert(ReadOnlySpan<byte> bytes, int relation, int fresh, ref PooledBytes output)
    {
        var start = output.Length;
        WriteTuple(bytes, _newCells, fresh, ref output);
        return new Change(ChangeKind.Insert, ChangeFlags.None, relation, -1, start, output.Length);
    }

    Change WriteUpdate(ReadOnlySpan<byte> bytes, in Change change, int relation, int fresh, int old, bool mayBeAbsent, ref PooledBytes output)
    {
        var oldStart = -1;
        if (change.HasOld)
        {
            oldStart = output.Length;
            Locate(bytes, change.Old, _oldCells);
            WriteTuple(bytes, _oldCells, old, ref output);
        }

        var start = output.Length;
        WriteTuple(bytes, _newCells, fresh, ref output);
        return new Change(ChangeKind.Update, change.Flags | (mayBeAbsent ? ChangeFlags.MayBeAbsent : ChangeFlags.None), relation, oldStart, start, output.Length);
    }

    Change WriteDelete(ReadOnlySpan<byte> bytes, in Change change, int relation, int old, bool mayBeAbsent, ref PooledBytes output)
    {
        var start = output.Length;
        // An update that left the key alone has no old tuple: the new one names the row as well.
        Locate(bytes, change.HasOld ? change.Old : change.New, _oldCells);
        for (var i = 0; !change.HasOld && i < _oldCells.Length; i++)
        {
            if (_oldCells[i].Kind == ValueKind.Unchanged)
                _oldCells[i] = Cell.Null;
        }

        WriteTuple(bytes, _oldCells, old, ref output);
        var flags = change.HasOld ? change.Flags : ChangeFlags.OldIsKey;
        return new Change(ChangeKind.Delete, flags | (mayBeAbsent ? ChangeFlags.MayBeAbsent : ChangeFlags.None), relation, start, -1, output.Length);
    }

    /// <param name="row">The row's number among those evaluated; -1 when it was not: a key, whose other columns are null.</param>
    void WriteTuple(ReadOnlySpan<byte> bytes, Cell[] cells, int row, ref PooledBytes output)
    {
        output.WriteCount(Transform.Output.Count);
        foreach (var column in Transform.Output)
        {
            if (!column.IsComputed)
            {
                ref readonly var cell = ref cells[column.Source];
                output.WriteValue(cell.Kind, bytes.Slice(cell.Offset, cell.Length));
            }
            else if (row < 0 || !_evaluated.IsKept(row))
            {
                output.WriteValue(ValueKind.Null, default);
            }
            else if (IsUnchanged(column, cells))
            {
                output.WriteValue(ValueKind.Unchanged, default);
            }
            else
            {
                var value = _evaluated.Value(row, column.Computed, out var kind);
                output.WriteValue(kind, value);
            }
        }
    }

    /// <summary>What is computed of values that did not change did not change either.</summary>
    static bool IsUnchanged(OutputColumn column, Cell[] cells)
    {
        foreach (var read in column.Reads)
        {
            if (cells[read].Kind != ValueKind.Unchanged)
                return false;
        }

        return column.Reads.Count > 0;
    }

    static void Locate(ReadOnlySpan<byte> bytes, int tuple, Cell[] cells)
    {
        var reader = new TupleReader(bytes, tuple);
        while (reader.Read())
            cells[reader.Column] = new Cell(0, reader.Value.IsEmpty ? 0 : reader.ValueOffset, reader.Value.Length, reader.Kind);
    }

    void FillFromOld()
    {
        for (var i = 0; i < _newCells.Length; i++)
        {
            if (_newCells[i].Kind == ValueKind.Unchanged)
                _newCells[i] = _oldCells[i];
        }
    }

    int Add(Cell[] cells)
    {
        var row = _rows.AddRow();
        for (var i = 0; i < row.Length; i++)
        {
            ref readonly var cell = ref cells[Transform.Reads[i]];
            row[i] = cell.Kind == ValueKind.Unchanged ? Cell.Null : cell;
        }

        return _rows.Rows - 1;
    }

    void RequireKnown(ReadOnlySpan<byte> bytes, in Change change, Position at)
    {
        var missing = -1;
        foreach (var read in Transform.FilterReads)
        {
            if (_newCells[read].Kind == ValueKind.Unchanged)
                missing = read;
        }

        foreach (var column in Transform.Computed)
        {
            if (IsUnchanged(column, _newCells))
                continue;
            foreach (var read in column.Reads)
            {
                if (_newCells[read].Kind == ValueKind.Unchanged)
                    missing = read;
            }
        }

        if (missing < 0)
            return;
        throw new TransformStopException(
            $"An update left column {Transform.Columns[missing].Name} of {Transform.Table} as it was, which is stored out of line (TOAST) and therefore not in the stream; its filter or expressions need it.",
            $"At the source: ALTER TABLE {Transform.Table.ToSql()} REPLICA IDENTITY FULL;", at, RowText.KeyOf(bytes, change.New, Relation, Transform.Request.Key));
    }

    (int Change, Position At) PlaceOf(int row)
    {
        foreach (var (change, at, fresh, old) in _gathered)
        {
            if (fresh == row || old == row)
                return (change, at);
        }

        return (-1, default);
    }

    public void Dispose() => _evaluator?.Dispose();
}
