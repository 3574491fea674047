using Rosetta.Core.Changes;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Apply;
using Rosetta.Postgres.Destination.Evolution;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Destination.Targets;

namespace Rosetta.Postgres.Destination.Plans;

/// <summary>
/// Makes the plan of a relation that comes for the first time or in a new shape: reads the destination's table, follows an added column, and
/// refuses every other difference. Runs in the stream's order, between the rows before and after the change of shape.
/// </summary>
sealed class Planner(ApplyContext context, PlanBook book)
{
    /// <exception cref="ApplyFailure">The table cannot go on; final.</exception>
    public async ValueTask<TablePlan> MakeAsync(Relation relation, CancellationToken cancellationToken)
    {
        var source = new TableName(relation.Schema, relation.Name);
        if (book.RenamedFrom(relation) is { } old)
            throw Refuse(TablePlan.Skipped(relation, old, context.Rows), $"Table {old} was renamed to {source} at the source.", $"Replicate {source} instead, or rename it back.");
        if (!book.Applies(source, out var route, out var stored))
        {
            var skipped = TablePlan.Skipped(relation, source, context.Rows);
            book.Add(relation, skipped);
            return skipped;
        }

        await context.Line.DrainAsync(cancellationToken);
        var before = book.Before(relation);
        TablePlan Failing() => before ?? TablePlan.Skipped(relation, source, context.Rows);
        if (stored!.SourceOid is var oid and not 0 && oid != relation.Id)
            throw Refuse(Failing(), $"Table {source} was dropped and made anew at the source (or another one got its name); what it lost by that is not in the stream.", null);
        if (before is { Target.Oid: > 0 } && Retyped(before.Relation, relation) is { } retyped)
        {
            throw Refuse(
                Failing(), $"Column {retyped} changed its type at the source.",
                $"ALTER TABLE {route!.Target.ToSql()} ALTER COLUMN {SqlIdentifier.Quote(retyped)} TYPE ... to the same type.");
        }

        var target = await TargetCatalog.ReadAsync(context.Connection, route!.Target, cancellationToken)
            ?? throw Refuse(Failing(), $"Table {route.Target} is missing at the destination.", null);
        if (target.Kind is not ('r' or 'p'))
            throw Refuse(Failing(), $"{route.Target} is not a table that can be written (relkind {target.Kind}).", "Drop it or name another target table.");
        if (context.ReplicaRole && target.HasDeferrable && (target.HasUserTriggers || target.HasForeignKeys || target.ReferencedBy.Count > 0))
        {
            throw Refuse(
                Failing(), $"{route.Target} has a DEFERRABLE unique constraint, which is checked for ordinary sessions only, and triggers or foreign keys, which must not act for those.",
                "Make the constraint NOT DEFERRABLE (drop and add it) or drop the triggers and foreign keys.");
        }

        await RefuseDroppedAsync(relation, source, route, stored, Failing, cancellationToken);
        var (key, isPrimary) = ApplyModes.KeyOf(relation, target);
        var binding = ColumnBinding.Of(relation, target, route.Columns, key);
        if (binding.Misfit is null && binding.Missing.Count > 0)
        {
            await FollowAddedAsync(binding.Missing, source, target, Failing, cancellationToken);
            target = await TargetCatalog.ReadAsync(context.Connection, route.Target, cancellationToken)
                ?? throw Refuse(Failing(), $"Table {route.Target} is missing at the destination.", null);
            binding = ColumnBinding.Of(relation, target, route.Columns, key);
        }

        if (binding.Misfit is { } misfit)
            throw Refuse(Failing(), misfit.Reason, misfit.Remedy);
        if (binding.Missing.Count > 0)
            throw Refuse(Failing(), $"Column {binding.Missing[0].Name} is missing at the destination.", null);

        var names = relation.Columns.Select(c => c.Name).Where(n => route.Columns?.Contains(n) ?? true).ToList();
        if (stored.Columns is null || names.Except(stored.Columns).Any())
        {
            context.Begin();
            context.Transaction.ChangedStates = true;
            context.Line.Filling.Query(StoredTables.ColumnsSql(context.PositionRow, source, [.. names.Union(stored.Columns ?? [])]), default);
        }

        var plan = TablePlan.Create(relation, source, target, binding.Columns, key, isPrimary, context.ReplicaRole, context.Rows);
        plan.Since = stored.Table.Since ?? default;
        plan.Wanted = route.Columns;
        book.Add(relation, plan);
        return plan;
    }

    ApplyFailure Refuse(TablePlan plan, string reason, string? first) => new(plan, reason)
    {
        IsFinal = true,
        Remedy = ResyncRemedy.For(context.Opening.PipelineId, plan.Source, first),
    };

    static string? Retyped(Relation before, Relation now)
    {
        foreach (var column in now.Columns)
        {
            var old = before.Columns.FirstOrDefault(c => c.Name == column.Name);
            if (old.Name is not null && old.TypeOid != column.TypeOid)
                return column.Name;
        }

        return null;
    }

    /// <summary>
    /// A column that the table was made of and that the relation lacks was dropped or renamed. Unless the source still has it: then a column
    /// list of the publication keeps it out.
    /// </summary>
    async ValueTask RefuseDroppedAsync(
        Relation relation, TableName source, TableRoute route, StoredTable stored, Func<TablePlan> failing, CancellationToken cancellationToken)
    {
        var gone = (stored.Columns ?? []).Where(c => (route.Columns?.Contains(c) ?? true) && relation.Columns.All(r => r.Name != c)).ToList();
        if (gone.Count == 0)
            return;
        var now = await context.Opening.Source.DescribeAsync(source, cancellationToken);
        gone = gone.Where(c => now is null || now.Columns.All(n => n.Name != c)).ToList();
        if (gone.Count == 0)
            return;
        var list = string.Join(", ", gone);
        throw Refuse(
            failing(), $"Column {list} was dropped or renamed at the source.",
            $"{string.Join(" ", gone.Select(c => $"ALTER TABLE {route.Target.ToSql()} DROP COLUMN {SqlIdentifier.Quote(c)};"))} (or RENAME it.)");
    }

    async ValueTask FollowAddedAsync(
        IReadOnlyList<RelationColumn> missing, TableName source, TargetTable target, Func<TablePlan> failing, CancellationToken cancellationToken)
    {
        var description = await context.Opening.Source.DescribeAsync(source, cancellationToken);
        var rows = await context.Connection.QueryAsync($"SELECT EXISTS (SELECT FROM {target.Name.ToSql()})", cancellationToken);
        if (description?.Types.Count > 0 && missing.Any(c => c.TypeOid >= TypeFit.FirstUserOid))
            await MakeTypesAsync(description, failing, cancellationToken);
        context.Begin();
        foreach (var column in missing)
        {
            if (description?.Columns.FirstOrDefault(c => c.Name == column.Name) is not { } now)
                throw Refuse(failing(), $"Column {column.Name} was added at the source and is not there any more.", null);
            var added = AddedColumn.Plan(target.Name, now, rows.Text(0, 0) == "t");
            if (added.Refusal is { } refusal)
                throw Refuse(failing(), refusal, null);
            foreach (var statement in added.Statements)
                context.Line.Filling.Query(statement, new Step(0, failing(), StepKind.Plain));
        }

        await context.Line.DrainAsync(cancellationToken);
    }

    /// <summary>Types that the source's columns need and that are not there yet.</summary>
    async ValueTask MakeTypesAsync(TableDescription description, Func<TablePlan> failing, CancellationToken cancellationToken)
    {
        try
        {
            await context.OnOwnConnection(connection => TypeMaker.EnsureAsync(connection, description.Types, cancellationToken).AsTask(), cancellationToken);
        }
        catch (FaultException e)
        {
            throw Refuse(failing(), e.Fault.Reason, e.Fault.Remedy);
        }
    }
}
