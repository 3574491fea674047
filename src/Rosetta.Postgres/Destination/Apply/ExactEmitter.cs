using Rosetta.Core.Changes;
using Rosetta.Postgres.Destination.Fold;
using Rosetta.Postgres.Destination.Parking;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Destination.Statements;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Apply;

/// <summary>
/// Applies the changes of a stretch in source order, for the tables that need it: a prepared statement per update and delete, a COPY per run of
/// inserts into one table. A table that is searched for the change that fails (<c>careful</c>) gets a statement per insert too, so that the failing
/// operation names its change.
/// </summary>
sealed class ExactEmitter(ApplyContext context, Func<TablePlan, bool> isCareful, ParkingLot? lot)
{
    readonly byte[][] _keys = [new byte[256], new byte[256]];
    PgCopyBuffer? _copy;
    TablePlan? _copyPlan;

    /// <param name="cursor">Stands just before the stretch, and at its end afterwards.</param>
    /// <param name="plans">The plan of a batch's relation, by batch and index.</param>
    public async ValueTask EmitAsync(GroupCursor cursor, GroupPlace? until, Func<int, int, TablePlan?> plans, CancellationToken cancellationToken)
    {
        var searches = context.Line.Failures is not null;
        if (searches)
            context.Line.BeginSeparating();
        while (cursor.MoveNext(until))
        {
            if (plans(cursor.Batch, cursor.Current.Relation) is not { } plan || plan.IsSkipped || !plan.AppliesExactly
                || cursor.Transaction.CommitLsn < plan.Since || cursor.Current.Kind is ChangeKind.Truncate or ChangeKind.Filtered
                || lot?.Skips(cursor.At) == true)
                continue;
            Emit(cursor, plan);
            if (searches && isCareful(plan))
                context.Line.Separate();
            if (!context.Line.IsFull)
                continue;
            EndRun();
            await context.Line.SendAsync(cancellationToken);
        }

        EndRun();
    }

    /// <summary>Queues the change that the cursor stands on.</summary>
    public void Emit(GroupCursor cursor, TablePlan plan)
    {
        ref readonly var change = ref cursor.Current;
        if (change.Kind == ChangeKind.Insert && !plan.Statements.NeedsCast && !isCareful(plan) && !plan.IsCopying)
        {
            var row = new RowRef(cursor.Batch, change.New, change.End - change.New);
            if (!ReferenceEquals(_copyPlan, plan))
            {
                EndRun();
                SetRole(plan);
                _copy = context.Line.Filling.Copy(plan.Statements.CopySql, new Step(0, plan, StepKind.Plain));
                _copyPlan = plan;
            }

            CopyRows.WriteRow(_copy!, context.Rows.BytesOf(row), row.Offset, row.Length, plan.Bound, plan.Columns.Count);
            return;
        }

        EndRun();
        SetRole(plan);
        switch (change.Kind)
        {
            case ChangeKind.Insert:
                EmitInsert(cursor, plan, change);
                break;
            case ChangeKind.Update:
                EmitUpdate(cursor, plan, change);
                break;
            default:
                EmitDelete(cursor, plan, change);
                break;
        }

        EndRole(plan);
    }

    void EmitInsert(GroupCursor cursor, TablePlan plan, in Change change)
    {
        var row = new RowRef(cursor.Batch, change.New, change.End - change.New);
        if (plan.IsCopying || (plan.Replaces && plan.Key.Length > 0))
            Send(plan.Statements.Delete(), plan, ReadKey(0, plan, cursor.CurrentBatch.Bytes, change.New, change.End, cursor));
        var bind = context.Line.Filling.Execute(plan.Statements.Insert(), plan.Columns.Count, new Step(0, plan, StepKind.Plain, 1, cursor.At, row));
        BindRows.WriteRow(bind, cursor.CurrentBatch.Bytes, change.New, plan.Bound);
        bind.Complete();
    }

    void EmitUpdate(GroupCursor cursor, TablePlan plan, in Change change)
    {
        var bytes = cursor.CurrentBatch.Bytes;
        var row = new RowRef(cursor.Batch, change.New, change.End - change.New);
        Span<ulong> present = stackalloc ulong[plan.Shapes.Words];
        var isFull = Tuples.ReadShape(bytes, change.New, present);
        if (!isFull && change.HasOld)
        {
            var (offset, length) = Tuples.Merge(
                context.Rows.Merged, bytes, row, bytes, new RowRef(cursor.Batch, change.Old, change.New - change.Old),
                (change.Flags & ChangeFlags.OldIsFull) != 0 ? default : plan.Identity);
            row = new RowRef(RowRef.Merged, offset, length);
            isFull = Tuples.ReadShape(context.Rows.BytesOf(row), row.Offset, present);
        }

        var shape = isFull ? RowShapes.Full : plan.Shapes.NumberOf(present);
        var columns = plan.Columns.Count(c => plan.Shapes.Has(shape, c.RelationIndex));
        var step = new Step(0, plan, isFull ? StepKind.InsertMissing : FoldEmitter.KindOfPartial(plan, shape), 1, cursor.At, row);
        if (plan.Key.Length == 0)
        {
            RequireWholeOld(plan, change, cursor);
            var whole = context.Line.Filling.Execute(
                isFull ? plan.Statements.UpsertWhole() : plan.Statements.UpdateWhole(shape), columns + plan.WholeColumns.Count, step);
            BindRows.WriteRow(whole, context.Rows.BytesOf(row), row.Offset, plan.Bound);
            BindRows.WriteRow(whole, bytes, change.Old, plan.BoundWhole);
            whole.Complete();
            return;
        }

        var oldKey = ReadKey(0, plan, bytes, change.HasOld ? change.Old : change.New, change.End, cursor);
        var newKey = ReadKey(1, plan, context.Rows.BytesOf(row), row.Offset, row.Offset + row.Length, cursor);
        var moves = !oldKey.SequenceEqual(newKey);
        // Late: the row that has the old key now may be a newer one, whose values are not those that this update left unchanged. So the row is read again.
        if (plan.Replaces && moves && !isFull && plan.CanReadAgain)
            context.Line.MissedPartials.Add((plan, row));
        if ((plan.IsCopying || plan.Replaces) && moves)
            Send(plan.Statements.Delete(), plan, newKey);
        var set = isFull ? plan.Columns : plan.Statements.SetColumns(shape, moves);
        var bind = context.Line.Filling.Execute(
            isFull ? plan.Statements.Upsert(moves) : plan.Statements.Update(shape, moves), set.Count + plan.Key.Length, step);
        BindRows.WriteRow(bind, context.Rows.BytesOf(row), row.Offset, plan.Bound, withKeys: set.Any(c => c.IsKey));
        BindRows.WriteKey(bind, oldKey);
        bind.Complete();
        if (plan.IsCopying && moves && !isFull)
            Send(plan.Statements.Pend(context.PositionRow), plan, newKey);
    }

    /// <summary>A statement whose parameters are a key's values.</summary>
    void Send(PreparedSql statement, TablePlan plan, ReadOnlySpan<byte> key)
    {
        var bind = context.Line.Filling.Execute(statement, plan.Key.Length, new Step(0, plan, StepKind.Plain));
        BindRows.WriteKey(bind, key);
        bind.Complete();
    }

    void EmitDelete(GroupCursor cursor, TablePlan plan, in Change change)
    {
        var bytes = cursor.CurrentBatch.Bytes;
        var step = new Step(0, plan, StepKind.Delete, 1, cursor.At, new RowRef(cursor.Batch, change.Old, change.End - change.Old));
        if (plan.Key.Length == 0)
        {
            RequireWholeOld(plan, change, cursor);
            var whole = context.Line.Filling.Execute(plan.Statements.DeleteWhole(), plan.WholeColumns.Count, step);
            BindRows.WriteRow(whole, bytes, change.Old, plan.BoundWhole);
            whole.Complete();
            return;
        }

        var key = ReadKey(0, plan, bytes, change.Old, change.End, cursor);
        var bind = context.Line.Filling.Execute(plan.Statements.Delete(), plan.Key.Length, step);
        BindRows.WriteKey(bind, key);
        bind.Complete();
    }

    ReadOnlySpan<byte> ReadKey(int buffer, TablePlan plan, ReadOnlySpan<byte> bytes, int offset, int end, GroupCursor cursor)
    {
        var bound = end - offset + (8 * plan.Key.Length);
        if (_keys[buffer].Length < bound)
            _keys[buffer] = new byte[bound * 2];
        var length = Tuples.WriteKey(bytes, offset, -1, plan.Key, _keys[buffer]);
        return length >= 0
            ? _keys[buffer].AsSpan(0, length)
            : throw new ApplyFailure(plan, "A change came without its key's values.") { At = cursor.At };
    }

    static void RequireWholeOld(TablePlan plan, in Change change, GroupCursor cursor)
    {
        if ((change.Flags & ChangeFlags.OldIsFull) == 0)
        {
            throw new ApplyFailure(plan, $"An update or delete of {plan.Source} does not say which row it is about: the table has no key here and its REPLICA IDENTITY is not FULL.")
            {
                At = cursor.At,
                Remedy = $"Give the table a primary key, or at the source: ALTER TABLE {plan.Source.ToSql()} REPLICA IDENTITY FULL; then resync it.",
            };
        }
    }

    void EndRun()
    {
        if (_copy is null)
            return;
        Flight.EndCopy(_copy);
        EndRole(_copyPlan!);
        _copy = null;
        _copyPlan = null;
    }

    /// <summary>Forgets a COPY that a failure left unfinished.</summary>
    public void Abandon()
    {
        _copy = null;
        _copyPlan = null;
    }

    void SetRole(TablePlan plan) => context.SetRole(plan, origin: true);

    void EndRole(TablePlan plan) => context.SetRole(plan, origin: false);
}
