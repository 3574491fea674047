using Rosetta.Core.Destinations;

namespace Rosetta.Core.Tables;

/// <summary>What is to happen with one table at one destination.</summary>
/// <param name="Route">Null for a table that is excluded or cannot be routed.</param>
/// <param name="InsertOnly">The source's table has no replica identity: only inserts and truncates are published.</param>
/// <param name="Error">Why it cannot be replicated; null when it can.</param>
/// <param name="Remedy">What to do about the error or about insert-only.</param>
public sealed record PlannedTable(
    TableName Source, TableRoute? Route, TableDescription? Description, bool Excluded, bool InsertOnly, string? Error, string? Remedy)
{
    /// <summary>An operator has stopped it at this destination.</summary>
    public bool Paused { get; init; }
}

/// <summary>Decides which tables go to a destination, and where: pure.</summary>
public static class TablePlanner
{
    /// <param name="choices">The destination's <c>table_syncs</c>; empty means every table.</param>
    /// <param name="catalog">The source's user tables.</param>
    /// <param name="destinationSchema">The destination's schema, null for the source's.</param>
    /// <param name="published">Tables of the user's own publication; null when Rosetta makes the publication itself.</param>
    public static IReadOnlyList<PlannedTable> Plan(
        IReadOnlyList<TableChoice> choices, IReadOnlyList<TableDescription> catalog, string? destinationSchema,
        IReadOnlySet<TableName>? published)
    {
        var planned = new Dictionary<TableName, PlannedTable>();
        var known = catalog.ToDictionary(t => t.Name);
        if (choices.Count == 0)
        {
            foreach (var table in catalog.Where(t => published?.Contains(t.Name) ?? true))
                planned[table.Name] = Include(table, new TableChoice(table.Name.ToString(), null, null, true), destinationSchema, published);
            return InOrder(planned);
        }

        foreach (var choice in choices.Where(c => !c.IsPattern))
        {
            if (!TableName.TryParse(choice.Table, out var name))
                continue;
            planned[name] = !choice.Enabled
                ? new PlannedTable(name, null, known.GetValueOrDefault(name), true, false, null, null)
                : known.TryGetValue(name, out var table)
                    ? Include(table, choice, destinationSchema, published)
                    : Missing(name);
        }

        foreach (var choice in choices.Where(c => c.IsPattern))
        {
            if (!TablePattern.TryParse(choice.Table, out var pattern))
                continue;
            foreach (var table in catalog.Where(t => pattern!.Matches(t.Name)))
            {
                // An exact entry beats a pattern, an excluding pattern an including one, else the first pattern holds.
                if (planned.TryGetValue(table.Name, out var before) && (choice.Enabled || choices.Any(c => !c.IsPattern && Names(c, table.Name)) || before.Excluded))
                    continue;
                if (!choice.Enabled)
                    planned[table.Name] = new PlannedTable(table.Name, null, table, true, false, null, null);
                else if (published?.Contains(table.Name) ?? true)
                    planned[table.Name] = Include(table, choice, destinationSchema, published);
            }
        }

        return InOrder(planned);
    }

    /// <summary>The entry that holds for a table, as <see cref="Plan"/> finds it; null when none does, or one excludes it.</summary>
    public static TableChoice? ChoiceOf(IReadOnlyList<TableChoice> choices, TableName table)
    {
        if (choices.Count == 0)
            return new TableChoice(table.ToString(), null, null, true);
        var holding = choices.FirstOrDefault(c => !c.IsPattern && Names(c, table));
        if (holding is null)
        {
            var patterns = choices.Where(c => c.IsPattern && TablePattern.TryParse(c.Table, out var pattern) && pattern!.Matches(table)).ToList();
            holding = patterns.Exists(p => !p.Enabled) ? null : patterns.FirstOrDefault();
        }

        return holding is { Enabled: true } ? holding : null;
    }

    /// <summary>Where a table goes by the entry that holds for it; null when it goes nowhere.</summary>
    public static TableRoute? RouteOf(IReadOnlyList<TableChoice> choices, TableName table, string? destinationSchema) =>
        ChoiceOf(choices, table) is { } choice ? RouteOf(table, choice, destinationSchema) : null;

    static TableRoute RouteOf(TableName table, TableChoice choice, string? destinationSchema) =>
        new(table, TargetOf(table, choice.Target, destinationSchema), choice.Columns) { Transform = choice.Transform, Options = choice.Options };

    static bool Names(TableChoice choice, TableName table) => TableName.TryParse(choice.Table, out var name) && name == table;

    /// <summary>By name. Of several tables that would go to one target the first keeps it: rows of two tables in one are nobody's copy.</summary>
    static PlannedTable[] InOrder(Dictionary<TableName, PlannedTable> planned)
    {
        var taken = new Dictionary<TableName, TableName>();
        var tables = planned.Values
            .OrderBy(p => p.Source.Schema, StringComparer.Ordinal).ThenBy(p => p.Source.Name, StringComparer.Ordinal).ToArray();
        for (var i = 0; i < tables.Length; i++)
        {
            if (tables[i].Route is not { } route || taken.TryAdd(route.Target, route.Source))
                continue;
            tables[i] = tables[i] with
            {
                Route = null,
                InsertOnly = false,
                Error = $"Table {route.Source} would go to {route.Target}, where table {taken[route.Target]} goes already.",
                Remedy = "Give one of them another target in its table_syncs entry, or exclude it.",
            };
        }

        return tables;
    }

    static PlannedTable Missing(TableName name) => new(
        name, null, null, false, false, $"Table {name} does not exist at the source.",
        $"Create it at the source or remove it from the pipeline's tables. A look with other privileges: SELECT to_regclass({SqlIdentifier.Literal(name.ToSql())});");

    static PlannedTable Include(
        TableDescription table, TableChoice choice, string? destinationSchema, IReadOnlySet<TableName>? published)
    {
        var route = RouteOf(table.Name, choice, destinationSchema);
        PlannedTable Fault(string error, string remedy) => new(table.Name, null, table, false, false, error, remedy);
        if (published is not null && !published.Contains(table.Name))
        {
            return Fault(
                $"Table {table.Name} is not in the source's publication.",
                $"ALTER PUBLICATION <the source's publication_name> ADD TABLE {table.Name.ToSql()};");
        }

        if (choice.Columns is { } columns)
        {
            var missing = columns.Where(c => table.Columns.All(k => k.Name != c)).ToList();
            if (missing.Count > 0)
                return Fault($"Table {table.Name} has no column {string.Join(", ", missing)}.", "Correct the columns of its table_syncs entry.");
            var keys = table.PrimaryKey.Where(k => !columns.Contains(k)).ToList();
            if (keys.Count > 0)
            {
                return Fault(
                    $"The chosen columns of {table.Name} lack its key: {string.Join(", ", keys)}.",
                    "Add the key's columns to the table_syncs entry.");
            }
        }

        if (choice.Options.Misfit(table, choice.Columns) is var (reason, mend))
            return Fault(reason, mend);

        return table.HasReplicaIdentity
            ? new PlannedTable(table.Name, route, table, false, false, null, null)
            : new PlannedTable(
                table.Name, route, table, false, true, null,
                $"UPDATE and DELETE are not replicated. ALTER TABLE {table.Name.ToSql()} REPLICA IDENTITY FULL; or give it a primary key, then resync the table.");
    }

    /// <summary>The target's name: as chosen, in the destination's schema or the source's where the choice names none.</summary>
    public static TableName TargetOf(TableName source, string? target, string? destinationSchema)
    {
        var schema = destinationSchema ?? source.Schema;
        if (target is null)
            return new TableName(schema, source.Name);
        if (target.EndsWith(".*", StringComparison.Ordinal) && TableName.TryParse(target[..^2] + ".x", out var pattern))
            return new TableName(pattern.Schema, source.Name);
        return TableName.TryParse(target, out var name, schema) ? name : new TableName(schema, target);
    }
}
