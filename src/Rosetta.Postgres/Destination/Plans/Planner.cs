using Rosetta.Core.Changes;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
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
    Position _at;

    /// <param name="at">Its first change.</param>
    /// <exception cref="ApplyFailure">The table cannot go on; final.</exception>
    public async ValueTask<TablePlan> MakeAsync(Relation relation, Position at, CancellationToken cancellationToken)
    {
        _at = at;
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
        TablePlan Failing() => before ?? TablePlan.Skipped(relation, source, context.Rows, route!.Target);
        if (stored!.SourceOid is var oid and not 0 && oid != relation.Id)
            throw Refuse(Failing(), $"Table {source} was dropped and made anew at the source (or another one got its name); what it lost by that is not in the stream.", null);
        if (before is { Target.Oid: > 0 } && Retyped(before.Relation, relation) is { } retyped)
        {
            throw Refuse(Failing(), $"Column {retyped} changed its type at the source.", await RetypeSqlAsync(source, route!.Target, retyped, cancellationToken));
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
        // Added anew it would lack the values of the rows that are there.
        if (binding.Misfit is null && binding.Missing.FirstOrDefault(c => stored.Columns?.Contains(c.Name) == true) is { Name: { } dropped })
            throw Refuse(Failing(), $"Column {dropped} was dropped at the destination.", null);
        if (binding.Misfit is null && binding.Missing.Count > 0)
        {
            await FollowAddedAsync(binding.Missing, source, target, Failing, cancellationToken);
            target = await TargetCatalog.ReadAsync(context.Connection, route.Target, cancellationToken)
                ?? throw Refuse(Failing(), $"Table {route.Target} is missing at the destination.", null);
            binding = ColumnBinding.Of(relation, target, route.Columns, key);
        }

        if (binding.Misfit is { } misfit)
        {
            var mend = misfit.Column is { } column ? await RetypeSqlAsync(source, route.Target, column, cancellationToken) : misfit.Remedy;
            throw Refuse(Failing(), misfit.Reason, mend);
        }

        if (binding.Missing.Count > 0)
            throw Refuse(Failing(), $"Column {binding.Missing[0].Name} is missing at the destination.", null);

        if (binding.Computed.Count > 0)
            await RefuseComputedAsync(binding.Computed, source, route.Target, Failing, cancellationToken);
        var names = relation.Columns.Select(c => c.Name).Where(n => route.Columns?.Contains(n) ?? true).ToList();
        if (stored.Columns is null || names.Except(stored.Columns).Any())
        {
            context.Begin();
            context.Transaction.ChangedStates = true;
            context.Line.Filling.Query(StoredTables.ColumnsSql(context.PositionRow, source, [.. names.Union(stored.Columns ?? [])]), default);
        }

        // A unique index of the source's may come at any moment.
        if (route.WantsExtras(context.Opening.WithIndexes) && stored.Table.LacksExtras)
            target = target with { HasOtherUnique = true };
        var plan = TablePlan.Create(relation, source, target, binding.Columns, key, isPrimary, context.ReplicaRole, context.Rows, route.Options);
        plan.Since = stored.Table.Since ?? default;
        plan.Wanted = route.Columns;
        plan.IsCopying = stored.Table.Copying is not null;
        book.Add(relation, plan);
        return plan;
    }

    ApplyFailure Refuse(TablePlan plan, string reason, string? first) => new(plan, reason)
    {
        IsFinal = true,
        At = _at,
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
    /// A column that the table was made of and that the relation lacks was dropped, renamed or replaced by a generated one. Unless the source still
    /// has it: then a column list of the publication keeps it out.
    /// </summary>
    async ValueTask RefuseDroppedAsync(
        Relation relation, TableName source, TableRoute route, StoredTable stored, Func<TablePlan> failing, CancellationToken cancellationToken)
    {
        var gone = (stored.Columns ?? []).Where(c => (route.Columns?.Contains(c) ?? true) && relation.Columns.All(r => r.Name != c)).ToList();
        if (gone.Count == 0)
            return;
        var now = await context.Opening.Source.DescribeAsync(source, cancellationToken);
        gone = gone.Where(c => now is null || now.Columns.All(n => n.Name != c || n.Generated is not null)).ToList();
        if (gone.Count == 0)
            return;
        var list = string.Join(", ", gone);
        var isGenerated = now is not null && gone.TrueForAll(c => now.Columns.Any(n => n.Name == c));
        throw Refuse(
            failing(), isGenerated ? $"Column {list} became a generated column at the source." : $"Column {list} was dropped or renamed at the source.",
            string.Join(" ", gone.Select(c => $"ALTER TABLE {route.Target.ToSql()} DROP COLUMN {SqlIdentifier.Quote(c)};")));
    }

    /// <summary>What the destination computes must be computed at the source too: a column that has become an ordinary one there has values of its own.</summary>
    async ValueTask RefuseComputedAsync(
        IReadOnlyList<string> computed, TableName source, TableName target, Func<TablePlan> failing, CancellationToken cancellationToken)
    {
        var now = await context.Opening.Source.DescribeAsync(source, cancellationToken);
        if (now?.Columns.FirstOrDefault(c => c.Generated is null && computed.Contains(c.Name)) is { } ordinary)
        {
            throw Refuse(
                failing(), $"Column {ordinary.Name} is generated at the destination and an ordinary column at the source.",
                $"ALTER TABLE {target.ToSql()} ALTER COLUMN {SqlIdentifier.Quote(ordinary.Name)} DROP EXPRESSION;");
        }
    }

    /// <summary>The statement that gives a column the type it has at the source now; null when it has none there.</summary>
    async ValueTask<string?> RetypeSqlAsync(TableName source, TableName target, string column, CancellationToken cancellationToken)
    {
        var now = (await context.Opening.Source.DescribeAsync(source, cancellationToken))?.Columns.FirstOrDefault(c => c.Name == column);
        if (now is null || await TargetCatalog.ReadAsync(context.Connection, target, cancellationToken) is not { } there || there.Find(column) is not { } old)
            return null;
        var name = SqlIdentifier.Quote(column);
        var casts = await context.Connection.QueryAsync(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"SELECT {old.TypeOid} = {now.TypeOid} OR EXISTS (SELECT FROM pg_catalog.pg_cast WHERE castsource = {old.TypeOid} AND casttarget = {now.TypeOid} AND castcontext IN ('i', 'a'))"),
            cancellationToken);
        // The copy that follows brings the values, and makes a column that is missing; what cannot be cast need not survive, unless the key would go with it.
        return casts.Text(0, 0) == "t" || there.PrimaryKey.Contains(column)
            ? $"ALTER TABLE {target.ToSql()} ALTER COLUMN {name} DROP DEFAULT, ALTER COLUMN {name} TYPE {now.TypeSql} USING {name}::{now.TypeSql};"
            : $"ALTER TABLE {target.ToSql()} DROP COLUMN {name};";
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
