using Rosetta.Core.Changes;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Destination.Parking;

namespace Rosetta.Postgres.Destination.Plans;

/// <summary>The plans of the relations that have come, kept while route, table state and shape stay the same.</summary>
sealed class PlanBook : IDisposable
{
    readonly Dictionary<Relation, TablePlan> _byRelation = new(ReferenceEqualityComparer.Instance);
    readonly Dictionary<TableName, TablePlan> _byTable = [];
    readonly List<TablePlan> _discarded = [];
    readonly List<TablePlan> _new = [];

    /// <summary>Which tables go where.</summary>
    public IReadOnlyDictionary<TableName, TableRoute> Routes { get; set; } = new Dictionary<TableName, TableRoute>();

    /// <summary>What the destination says of them.</summary>
    public IReadOnlyDictionary<TableName, StoredTable> Stored { get; set; } = new Dictionary<TableName, StoredTable>();

    /// <summary>Who is told the keys that change, by source table.</summary>
    public IReadOnlyDictionary<TableName, KeyWatch> Watches { get; set; } = new Dictionary<TableName, KeyWatch>();

    /// <summary>What is parked; null where nothing ever is.</summary>
    public ParkingLot? Lot { get; set; }

    /// <summary>See <see cref="TablePlan.Replaces"/>.</summary>
    public bool Replaces { get; init; }

    /// <summary>Another number: targets may have got other indexes and constraints.</summary>
    public int Catalog { get; set; }

    /// <summary>Tables that stop with the transaction under way.</summary>
    public IReadOnlyDictionary<TableName, TableStop> Stopping { get; set; } = new Dictionary<TableName, TableStop>();

    /// <summary>Brings the plans in line with routes and states, before a group.</summary>
    public void Refresh()
    {
        foreach (var (source, plan) in _byTable.ToList())
        {
            var applies = Applies(source, out var route, out var stored);
            // A table that was copied again may have been made anew.
            if (applies && (plan.Target.Oid == 0 || plan.Catalog != Catalog || plan.Target.Name != route!.Target || plan.Since != stored!.Table.Since || plan.IsCopying != stored.Table.Copying is not null || plan.Options != route.Options || !SameColumns(plan.Wanted, route.Columns)))
                Discard(plan);
            else
                plan.IsSkipped = !applies;
            plan.Watch = Watches.GetValueOrDefault(source);
            plan.Barrier = Lot?.Of(source);
        }
    }

    /// <summary>A plan that is known for the relation.</summary>
    public TablePlan? Find(Relation relation)
    {
        if (_byRelation.TryGetValue(relation, out var plan))
            return plan;
        if (!_byTable.TryGetValue(new TableName(relation.Schema, relation.Name), out plan) || !plan.Relation.HasShapeOf(relation) || plan.Relation.Id != relation.Id)
            return null;
        _byRelation[relation] = plan;
        return plan;
    }

    /// <summary>The plan of the table as it was before <paramref name="relation"/>; null when there was none.</summary>
    public TablePlan? Before(Relation relation) => _byTable.GetValueOrDefault(new TableName(relation.Schema, relation.Name));

    public bool Applies(TableName source, out TableRoute? route, out StoredTable? stored)
    {
        stored = null;
        return Routes.TryGetValue(source, out route) && Stored.TryGetValue(source, out stored) && stored.Table.Streams && !Stopping.ContainsKey(source);
    }

    /// <summary>The table that streams and was, when it was copied, the one that now comes under another name.</summary>
    public TableName? RenamedFrom(Relation relation)
    {
        foreach (var (name, stored) in Stored)
        {
            if (stored.SourceOid == relation.Id && (name.Schema != relation.Schema || name.Name != relation.Name) && Applies(name, out _, out _))
                return name;
        }

        return null;
    }

    public void Add(Relation relation, TablePlan plan)
    {
        if (_byTable.TryGetValue(plan.Source, out var before))
            Discard(before);
        plan.Watch = Watches.GetValueOrDefault(plan.Source);
        plan.Barrier = Lot?.Of(plan.Source);
        plan.Catalog = Catalog;
        plan.Replaces = Replaces;
        if (before is not null && !plan.Relation.HasShapeOf(before.Relation))
            plan.Watch?.Reshaped();
        _byTable[plan.Source] = plan;
        _byRelation[relation] = plan;
        _new.Add(plan);
    }

    /// <summary>What the transaction's own DDL made is there to stay.</summary>
    public void Committed() => _new.Clear();

    /// <summary>Plans made since the last commit may rest on DDL that is undone.</summary>
    public void RolledBack()
    {
        foreach (var plan in _new.Where(p => _byTable.GetValueOrDefault(p.Source) == p))
            Discard(plan);
        _new.Clear();
    }

    /// <summary>The plan of a source's table.</summary>
    public TablePlan? FindSource(TableName source) => _byTable.GetValueOrDefault(source);

    /// <summary>The plan that writes to a table of the destination.</summary>
    public TablePlan? FindTarget(TableName target) => _byTable.Values.FirstOrDefault(p => p.Target.Oid != 0 && p.Target.Name == target);

    public void Discard(TablePlan plan)
    {
        _byTable.Remove(plan.Source);
        foreach (var relation in _byRelation.Where(p => ReferenceEquals(p.Value, plan)).Select(p => p.Key).ToList())
            _byRelation.Remove(relation);
        _discarded.Add(plan);
    }

    /// <summary>Statements that free what discarded plans left on the connection; to be run outside of a transaction.</summary>
    public IEnumerable<string> TakeCleanup()
    {
        if (_discarded.Count == 0)
            yield break;
        foreach (var plan in _discarded)
        {
            foreach (var stage in plan.Statements.Stages.Where(s => s.Exists))
                yield return $"DROP TABLE pg_temp.{stage.Name}";
            foreach (var statement in plan.Statements.Prepared.Where(s => s.IsPrepared))
                yield return $"DEALLOCATE {statement.Name}";
            plan.Dispose();
        }

        _discarded.Clear();
    }

    static bool SameColumns(IReadOnlyList<string>? a, IReadOnlyList<string>? b) => ReferenceEquals(a, b) || (a is not null && b is not null && a.SequenceEqual(b));

    public void Dispose()
    {
        foreach (var plan in _byTable.Values.Concat(_discarded))
            plan.Dispose();
        _byTable.Clear();
        _byRelation.Clear();
    }
}
