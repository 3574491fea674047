using Rosetta.Actors.Replication;
using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Tests.Destinations;

/// <summary>Tables and plans by hand.</summary>
static class Planned
{
    public static readonly TableName Orders = new("public", "orders");
    public static readonly TableName Items = new("public", "items");

    public static PlannedTable Table(TableName name, long bytes = 0) => new(
        name, new TableRoute(name, name, null), Description(name, bytes), false, false, null, null);

    public static PlannedTable Excluded(TableName name) => Table(name) with { Route = null, Excluded = true };

    public static PlannedTable Faulty(TableName name) => Table(name) with { Route = null, Error = "no", Remedy = "do" };

    public static DestinationPlan Plan(params PlannedTable[] tables) =>
        new(tables, true, new Dictionary<TableName, ResyncOrder>(), new Dictionary<TableName, string>());

    public static DestinationPlan WithOrder(this DestinationPlan plan, TableName table, long request, bool force) =>
        plan with { Resync = new Dictionary<TableName, ResyncOrder>(plan.Resync) { [table] = new ResyncOrder(request, force) } };

    public static Dictionary<TableName, DestinationTable> States(params DestinationTable[] tables) => tables.ToDictionary(static t => t.Source);

    public static DestinationTable Streaming(TableName name) => new(name, name, new Lsn(10), null, 5);

    public static DestinationTable Stopped(TableName name) =>
        Streaming(name) with { Stop = new TableStop(new Position(new Lsn(20), 0), null, "23505", "duplicate", "resync") };

    static TableDescription Description(TableName name, long bytes) => new(
        1, name, [new ColumnDescription("id", 20, -1, "bigint", true, null, null, null, true)], ["id"], 'd', ["id"], 100, bytes);
}
