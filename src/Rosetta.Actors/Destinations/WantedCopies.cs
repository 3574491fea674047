using Rosetta.Actors.Replication;
using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Destinations;

/// <summary>Which tables are copied in chunks beside the stream. Pure.</summary>
static class WantedCopies
{
    /// <summary>
    /// Tables that are copied beside the stream. Not those whose rows another transform made: what of them must not stay goes only when all of them do. Nor those of a
    /// destination that has none yet: its first copy is one snapshot of all.
    /// A resync of the whole pipeline begins with none, but the rows are there: what differs is brought, and nobody sees an empty table.
    /// </summary>
    /// <param name="plan">What is wanted.</param>
    /// <param name="tables">What the destination stores.</param>
    /// <param name="todo">What has to be copied, some way.</param>
    /// <param name="done">Orders already carried out by this incarnation, by table.</param>
    /// <param name="isUnfit">Tables that turned out not to be copied in chunks.</param>
    public static List<WantedCopy> Of(
        DestinationPlan plan, IReadOnlyDictionary<TableName, DestinationTable> tables, CopyPlan todo, IReadOnlySet<(TableName Table, long RequestId)> done, Func<TableName, bool> isUnfit)
    {
        var isFirst = !tables.Values.Any(t => t.Since is not null);
        var wanted = todo.Copies
            .Where(c => (!isFirst || OrderOf(c.Table.Source) is not null) && IsMadeAlike(c.Table) && !isUnfit(c.Table.Source) && c.Table.Description is not { PrimaryKey.Count: 0 })
            .Select(c => new WantedCopy(c.Table, c.EmptyFirst, !IsReplacing(c.Table.Source) || IsOtherwise(c.Table), OrderOf(c.Table.Source))).ToList();
        wanted.AddRange(plan.Tables
            .Where(t => t is { Route: not null, Paused: false } && IsMadeAlike(t) && tables.GetValueOrDefault(t.Source) is { Copying: not null, Stop: null } && wanted.All(w => w.Table.Source != t.Source))
            .Select(t => new WantedCopy(t, IsReplacing(t.Source), false, OrderOf(t.Source))));
        return wanted;

        bool IsMadeAlike(PlannedTable table) => table.Route?.Transform is null || tables.GetValueOrDefault(table.Source) is not { Since: not null } || !IsOtherwise(table);

        bool IsOtherwise(PlannedTable table) => tables.GetValueOrDefault(table.Source)?.Transform != table.Route!.Fingerprint;

        bool IsReplacing(TableName table) => tables.GetValueOrDefault(table) is { Stop: null, Copying.Replaces: true };

        ResyncOrder? OrderOf(TableName table) => plan.Resync.TryGetValue(table, out var order) && !done.Contains((table, order.RequestId)) ? order : null;
    }
}
