using Rosetta.Postgres.Destination.Fold;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Destination.Statements;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Apply;

/// <summary>
/// Turns a table's fold into operations: deletes, then updates, then inserts. Inserted rows go by COPY into the table; updated rows and deleted
/// keys into a stage that is joined with it, or, when there are few, as one prepared statement each.
/// </summary>
sealed class FoldEmitter(ApplyContext context)
{
    /// <summary>Up to so many rows a statement per row has less latency than a stage.</summary>
    public const int RowStatementLimit = 50;

    readonly FoldSelection _chosen = new();

    /// <summary>Rows that cannot be deleted and made anew, because not all of their values are known, have to be applied in source order.</summary>
    public static bool NeedsExactOrder(TablePlan plan)
    {
        if (plan.Mode != ApplyMode.FoldReplace)
            return false;
        foreach (ref readonly var key in plan.Fold.Keys)
            if (key.Final == FoldedRow.Update && key.Shape != RowShapes.Full)
                return true;
        return false;
    }

    public async ValueTask EmitAsync(TablePlan plan, CancellationToken cancellationToken)
    {
        var replace = plan.Mode == ApplyMode.FoldReplace;
        var (deletes, updates, inserts) = Count(plan);
        var few = deletes + updates <= RowStatementLimit;
        if (deletes > 0)
            await EmitDeletesAsync(plan, ChooseDeleted(plan), few, isFirst: true, cancellationToken);
        if (updates > 0 && replace)
            await EmitDeletesAsync(plan, _chosen.Choose(plan.Fold, static (in FoldedKey k) => k.Final == FoldedRow.Update), few, isFirst: deletes == 0, cancellationToken);
        else if (updates > 0)
            await EmitUpdatesAsync(plan, few, cancellationToken);
        if (plan.IsCopying)
            EmitPending(plan);
        if (inserts + (replace ? updates : 0) > 0)
            await EmitInsertsAsync(plan, replace, cancellationToken);
        if (plan.Fold.AppendedCount > 0)
            await EmitAppendedAsync(plan, cancellationToken);
    }

    /// <summary>Only what the fold deletes.</summary>
    public ValueTask EmitDeletesAsync(TablePlan plan, CancellationToken cancellationToken)
    {
        var count = ChooseDeleted(plan);
        return count == 0 ? ValueTask.CompletedTask : EmitDeletesAsync(plan, count, count <= RowStatementLimit, isFirst: true, cancellationToken);
    }

    int ChooseDeleted(TablePlan plan) => _chosen.Choose(plan.Fold, static (in FoldedKey k) => k.DeleteFirst);

    static (int Deletes, int Updates, int Inserts) Count(TablePlan plan)
    {
        var (deletes, updates, inserts) = (0, 0, 0);
        foreach (ref readonly var key in plan.Fold.Keys)
        {
            deletes += key.DeleteFirst ? 1 : 0;
            updates += key.Final == FoldedRow.Update ? 1 : 0;
            inserts += key.Final == FoldedRow.Insert ? 1 : 0;
        }

        return (deletes, updates, inserts);
    }

    async ValueTask EmitDeletesAsync(TablePlan plan, int count, bool few, bool isFirst, CancellationToken cancellationToken)
    {
        var line = context.Line;
        if (few)
        {
            for (var i = 0; i < count; i++)
            {
                var bind = line.Filling.Execute(plan.Statements.Delete(), plan.Key.Length, new Step(0, plan, StepKind.Delete));
                BindRows.WriteKey(bind, plan.Fold.KeyOf(_chosen.Numbers[i]));
                bind.Complete();
            }

            return;
        }

        var stage = plan.Statements.KeyStage(IsNumbered);
        if (isFirst)
            Ready(plan, stage, count);
        for (var next = 0; next < count;)
        {
            var copy = line.Filling.Copy(stage.CopySql, new Step(0, plan, StepKind.Plain));
            for (; next < count && !line.IsFull; next++)
                CopyRows.WriteKey(copy, plan.Fold.KeyOf(_chosen.Numbers[next]), plan.Key.Length, line.Run);
            Flight.EndCopy(copy);
            if (line.IsFull)
                await line.SendAsync(cancellationToken);
        }

        line.ExecuteStaged(plan.Statements.DeleteStaged(IsNumbered), new Step(0, plan, StepKind.Delete, count));
    }

    async ValueTask EmitUpdatesAsync(TablePlan plan, bool few, CancellationToken cancellationToken)
    {
        for (var shape = 0; shape < plan.Shapes.Count; shape++)
        {
            var wanted = shape;
            var count = _chosen.Choose(plan.Fold, (in FoldedKey k) => k.Final == FoldedRow.Update && k.Shape == wanted);
            if (count == 0)
                continue;
            var columns = plan.Columns.Count(c => plan.Shapes.Has(shape, c.RelationIndex));
            if (few)
                EmitRowUpdates(plan, shape, count);
            else
                await EmitStagedUpdateAsync(plan, shape, count, columns, cancellationToken);
        }
    }

    void EmitRowUpdates(TablePlan plan, int shape, int count)
    {
        var set = plan.Statements.SetColumns(shape, keyChanges: false);
        var withKeys = set.Any(c => c.IsKey);
        var statement = plan.Statements.Update(shape, keyChanges: false);
        var kind = shape == RowShapes.Full ? StepKind.UpdateFull : KindOfPartial(plan, shape);
        for (var i = 0; i < count; i++)
        {
            var row = plan.Fold.Keys[_chosen.Numbers[i]].Row;
            var bind = context.Line.Filling.Execute(statement, set.Count + plan.Key.Length, new Step(0, plan, kind, 1, null, row));
            BindRows.WriteRow(bind, context.Rows.BytesOf(row), row.Offset, plan.Bound, withKeys);
            BindRows.WriteKey(bind, plan.Fold.KeyOf(_chosen.Numbers[i]));
            bind.Complete();
        }
    }

    async ValueTask EmitStagedUpdateAsync(TablePlan plan, int shape, int count, int columns, CancellationToken cancellationToken)
    {
        var line = context.Line;
        var stage = plan.Statements.RowStage(shape, IsNumbered);
        Ready(plan, stage, count);
        for (var next = 0; next < count;)
        {
            var copy = line.Filling.Copy(stage.CopySql, new Step(0, plan, StepKind.Plain));
            for (; next < count && !line.IsFull; next++)
                WriteRow(copy, plan, plan.Fold.Keys[_chosen.Numbers[next]].Row, columns, line.Run);
            Flight.EndCopy(copy);
            if (line.IsFull)
                await line.SendAsync(cancellationToken);
        }

        var kind = shape == RowShapes.Full ? StepKind.UpdateStaged : KindOfPartial(plan, shape) is var partial and not StepKind.UpdatePartial ? partial : StepKind.UpdateStagedPartial;
        line.ExecuteStaged(plan.Statements.UpdateStaged(shape, IsNumbered), new Step(0, plan, kind, count, Shape: shape));
    }

    // In a table that is being copied the row may not be there yet: the chunk that brings it knows of this change. Unless the change may have brought the row
    // into a filter: no chunk has it then. A mark of a row that is not there is what a delete of it would be.
    public static StepKind KindOfPartial(TablePlan plan, int shape) =>
        shape == plan.MarkShape ? (plan.IsCopying ? StepKind.Plain : StepKind.Delete) : plan is { IsCopying: true, MayMiss: false } ? StepKind.Plain : StepKind.UpdatePartial;

    /// <summary>Keys whose rows are to be read again.</summary>
    void EmitPending(TablePlan plan)
    {
        var keys = plan.Fold.Keys;
        for (var i = 0; i < keys.Length; i++)
        {
            if (keys[i].Final != FoldedRow.Pending)
                continue;
            var bind = context.Line.Filling.Execute(plan.Statements.Pend(context.PositionRow), plan.Key.Length, new Step(0, plan, StepKind.Plain));
            BindRows.WriteKey(bind, plan.Fold.KeyOf(i));
            bind.Complete();
        }
    }

    async ValueTask EmitInsertsAsync(TablePlan plan, bool withUpdates, CancellationToken cancellationToken)
    {
        var total = plan.Fold.Keys.Length;
        var (sql, staged) = InsertTarget(plan, total);
        for (var next = 0; next < total;)
        {
            var copy = context.Line.Filling.Copy(sql, new Step(0, plan, StepKind.Plain));
            for (; next < total && !context.Line.IsFull; next++)
            {
                ref readonly var key = ref plan.Fold.Keys[next];
                if (key.Final == FoldedRow.Insert || (withUpdates && key.Final == FoldedRow.Update))
                    WriteRow(copy, plan, key.Row, plan.Columns.Count, staged ? context.Line.Run : 0);
            }

            Flight.EndCopy(copy);
            if (context.Line.IsFull)
                await context.Line.SendAsync(cancellationToken);
        }

        if (staged)
            context.Line.ExecuteStaged(plan.Statements.InsertStaged(IsNumbered), new Step(0, plan, StepKind.Plain));
    }

    async ValueTask EmitAppendedAsync(TablePlan plan, CancellationToken cancellationToken)
    {
        var total = plan.Fold.AppendedCount;
        var (sql, staged) = InsertTarget(plan, total);
        for (var next = 0; next < total;)
        {
            var copy = context.Line.Filling.Copy(sql, new Step(0, plan, StepKind.Plain));
            for (; next < total && !context.Line.IsFull; next++)
                WriteRow(copy, plan, plan.Fold.Appended[next], plan.Columns.Count, staged ? context.Line.Run : 0);
            Flight.EndCopy(copy);
            if (context.Line.IsFull)
                await context.Line.SendAsync(cancellationToken);
        }

        if (staged)
            context.Line.ExecuteStaged(plan.Statements.InsertStaged(IsNumbered), new Step(0, plan, StepKind.Plain));
    }

    (string CopySql, bool Staged) InsertTarget(TablePlan plan, int rows)
    {
        if (!plan.Statements.NeedsCast)
            return (plan.Statements.CopySql, false);
        var stage = plan.Statements.InsertStage(IsNumbered);
        Ready(plan, stage, rows);
        return (stage.CopySql, true);
    }

    bool IsNumbered => context.Line.Run > 0;

    void WriteRow(PgCopyBuffer copy, TablePlan plan, RowRef row, int columns, int run) =>
        CopyRows.WriteRow(copy, context.Rows.BytesOf(row), row.Offset, row.Length, plan.Bound, columns, run);

    void Ready(TablePlan plan, StageTable stage, int rows)
    {
        if (context.Transaction.Ready(stage, rows, context.Line.Run) is { } sql)
            context.Line.Filling.Query(sql, new Step(0, plan, StepKind.Plain));
    }
}
