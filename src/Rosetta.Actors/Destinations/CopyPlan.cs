using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;

using Rosetta.Actors.Replication;

namespace Rosetta.Actors.Destinations;

/// <summary>What a lane has to do about its tables before it streams. Pure.</summary>
/// <param name="Copies">Tables to copy, largest first; true: the target may be emptied.</param>
/// <param name="Adoptions">Tables that stream from now on without a copy.</param>
/// <param name="Forgotten">Tables the destination has a state for that are no longer planned, or go to another target now; what was their target stays as it is.</param>
public sealed record CopyPlan(
    IReadOnlyList<(PlannedTable Table, bool EmptyFirst)> Copies, IReadOnlyList<PlannedTable> Adoptions, IReadOnlyList<TableName> Forgotten)
{
    public bool IsEmpty => Copies.Count == 0 && Adoptions.Count == 0 && Forgotten.Count == 0;

    /// <param name="plan">What is wanted.</param>
    /// <param name="states">What the destination stores.</param>
    /// <param name="refused">Tables whose copy failed in a way that only an order can mend; not tried again by themselves.</param>
    /// <param name="done">Resync requests already carried out by this incarnation, by table.</param>
    public static CopyPlan For(
        DestinationPlan plan, IReadOnlyDictionary<TableName, DestinationTable> states, IReadOnlySet<TableName> refused,
        IReadOnlySet<(TableName Table, long RequestId)> done)
    {
        var copies = new List<(PlannedTable, bool)>();
        var adoptions = new List<PlannedTable>();
        foreach (var table in plan.Tables.Where(t => t.Route is not null && !t.Paused))
        {
            var ordered = plan.Resync.TryGetValue(table.Source, out var order) && !done.Contains((table.Source, order.RequestId));
            var known = states.GetValueOrDefault(table.Source) is { } there && there.Target == table.Route!.Target ? there : null;
            if (ordered && (order.Force || known?.Since is null || known.Stop is not null))
                copies.Add((table, true));
            else if (IsOtherwise(table, known) || (known is null && !refused.Contains(table.Source)))
            {
                // What is there came from us: making its rows anew is what the changed choice asks for.
                if (plan.CopyFirst)
                    copies.Add((table, known is not null));
                else
                    adoptions.Add(table);
            }
        }

        bool IsOtherwise(PlannedTable table, DestinationTable? known) =>
            known is { Since: not null } && known.Transform != table.Route!.Fingerprint && !refused.Contains(table.Source);

        // A table that cannot be had now keeps its state.
        var wanted = plan.Tables.Where(t => t.Route is not null || t.Error is not null).ToDictionary(t => t.Source, t => t.Route?.Target);
        return new CopyPlan(
            [.. copies.OrderByDescending(c => c.Item1.Description?.EstimatedBytes ?? 0)],
            adoptions,
            [.. states.Values.Where(s => !wanted.TryGetValue(s.Source, out var target) || (target is { } other && other != s.Target)).Select(s => s.Source)]);
    }
}
