using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;
using Rosetta.Postgres.Source;
using Rosetta.Store.Destinations;
using Rosetta.Store.Pipelines;

namespace Rosetta.Actors.Replication;

/// <summary>What is known of the source when tables are planned.</summary>
/// <param name="Tables">Its catalog.</param>
/// <param name="Publications">What is published now.</param>
/// <param name="Unpublished">Wanted tables that could not be published, and why.</param>
/// <param name="Drifts">Tables that lost changes because they left a publication for a while.</param>
public sealed record SourceView(
    IReadOnlyList<SourceTable> Tables, PublicationFacts Publications, IReadOnlyList<TablePublicationFailure> Unpublished,
    IReadOnlyList<TableDrift> Drifts);

/// <summary>Which tables a pipeline wants, and what each of its destinations is to have. Pure.</summary>
public static class PipelinePlanner
{
    /// <summary>The tables to be published: what any destination wants.</summary>
    public static IReadOnlyCollection<TableName> Wanted(PipelineDefinition definition, IReadOnlyList<SourceTable> tables) =>
        definition.Destinations
            .SelectMany(d => PlanTables(d, Candidates(tables, null), null))
            .Where(t => t.Route is not null)
            .Select(t => t.Source)
            .ToHashSet();

    public static IReadOnlyDictionary<long, DestinationPlan> Plan(PipelineDefinition definition, SourceView view, ResyncOrders orders)
    {
        var published = view.Publications.IsAdopted ? view.Publications.Tables : null;
        var catalog = Candidates(view.Tables, published);
        var insertOnly = view.Publications.InsertOnlyTables;
        var failures = view.Unpublished.ToDictionary(f => f.Table);
        var unreadable = view.Tables.Where(t => !t.CanBeReplicated).ToDictionary(t => t.Name);
        var plans = new Dictionary<long, DestinationPlan>();
        foreach (var destination in definition.Destinations)
        {
            var tables = PlanTables(destination, catalog, published)
                .Select(t => Judge(t, failures, unreadable, insertOnly))
                .Select(t => destination.PausedTables.Contains(t.Source.ToString()) ? t with { Paused = !t.Excluded } : t)
                .ToList();
            plans[destination.Destination.Id] = new DestinationPlan(
                tables, destination.Snapshot == SnapshotChoice.Initial,
                orders.For(destination.Destination.Id, tables.Select(t => t.Source)),
                view.Drifts.ToDictionary(d => d.Table, d => d.Reason));
        }

        return plans;
    }

    static PlannedTable Judge(
        PlannedTable table, Dictionary<TableName, TablePublicationFailure> failures, Dictionary<TableName, SourceTable> unreadable,
        IReadOnlySet<TableName> insertOnly)
    {
        if (table.Route is null)
            return table;
        if (unreadable.TryGetValue(table.Source, out var bad))
        {
            var reason = bad.IsUnlogged
                ? ($"Table {bad.Name} is unlogged: its changes are not in the WAL.", $"ALTER TABLE {bad.Name.ToSql()} SET LOGGED;")
                : ($"Columns {string.Join(", ", bad.UndecodableColumns)} of table {bad.Name} have a type that cannot be sent in binary form.",
                    "Exclude the table, or change the type of these columns.");
            return table with { Route = null, Error = reason.Item1, Remedy = reason.Item2 };
        }

        if (failures.TryGetValue(table.Source, out var failure))
            return table with { Route = null, Error = failure.Reason, Remedy = failure.FixSql ?? "It is tried again by itself." };
        return insertOnly.Contains(table.Source) && !table.InsertOnly
            ? table with { InsertOnly = true, Remedy = "The publication does not publish UPDATE and DELETE of this table. Publish them, then resync the table." }
            : table;
    }

    static IReadOnlyList<PlannedTable> PlanTables(
        PipelineDestination destination, IReadOnlyList<TableDescription> catalog, IReadOnlySet<TableName>? published) =>
        TablePlanner.Plan(
            [.. destination.TableSyncs.Select(t => t.ToChoice())], catalog, SchemaOf(destination.Destination), published);

    /// <summary>Ordinary tables and leaf partitions; partitioned roots only where a user's publication publishes by them.</summary>
    static IReadOnlyList<TableDescription> Candidates(IReadOnlyList<SourceTable> tables, IReadOnlySet<TableName>? published) =>
        [.. tables.Where(t => !t.IsPartitioned || (published?.Contains(t.Name) ?? false)).Select(t => t.Description)];

    static string? SchemaOf(DestinationDefinition destination) => destination.Config.Text("schema");
}
