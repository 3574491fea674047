using Rosetta.Core.Tables;

namespace Rosetta.Actors.Replication;

/// <summary>
/// The newest table plan of each destination of a pipeline. The replication side publishes, lanes read and are interrupted when it changes.
/// </summary>
public sealed class PlanBoard
{
    readonly Lock _gate = new();
    Dictionary<long, DestinationPlan> _plans = [];

    public DestinationPlan? this[long destinationId]
    {
        get
        {
            lock (_gate)
                return _plans.GetValueOrDefault(destinationId);
        }
    }

    /// <summary>Replaces all plans; answers whose plan changed.</summary>
    public IReadOnlyList<long> Publish(IReadOnlyDictionary<long, DestinationPlan> plans)
    {
        lock (_gate)
        {
            var changed = plans
                .Where(p => !_plans.TryGetValue(p.Key, out var before) || !p.Value.HasSameEffectAs(before))
                .Select(p => p.Key)
                .ToList();
            _plans = new Dictionary<long, DestinationPlan>(plans);
            return changed;
        }
    }
}

/// <param name="Tables">Every table the destination is to have, or says something about.</param>
/// <param name="CopyFirst">False: <c>snapshot: none</c>, tables stream from now on without a copy.</param>
/// <param name="Drifts">Tables that lost changes at the source, and why: they stop until they are copied again.</param>
/// <param name="Resync">Tables whose copy was asked for again: their target may be emptied. By table, the requests it answers.</param>
public sealed record DestinationPlan(
    IReadOnlyList<PlannedTable> Tables, bool CopyFirst, IReadOnlyDictionary<TableName, ResyncOrder> Resync,
    IReadOnlyDictionary<TableName, string> Drifts)
{
    public bool HasSameEffectAs(DestinationPlan other) =>
        CopyFirst == other.CopyFirst
        && Tables.Count == other.Tables.Count
        && Tables.Zip(other.Tables).All(static p => Same(p.First, p.Second))
        && Resync.Count == other.Resync.Count
        && Resync.All(r => other.Resync.TryGetValue(r.Key, out var o) && o == r.Value)
        && Drifts.Count == other.Drifts.Count
        && Drifts.All(d => other.Drifts.TryGetValue(d.Key, out var reason) && reason == d.Value);

    static bool Same(PlannedTable a, PlannedTable b) =>
        a.Source == b.Source && a.Excluded == b.Excluded && a.InsertOnly == b.InsertOnly && a.Paused == b.Paused && a.Error == b.Error && a.Remedy == b.Remedy
        && a.Description?.Oid == b.Description?.Oid
        && a.Route?.Target == b.Route?.Target
        && a.Route?.Transform == b.Route?.Transform
        && a.Route?.Options == b.Route?.Options
        && (a.Route?.Columns ?? []).SequenceEqual(b.Route?.Columns ?? []);
}

/// <summary>An operator's order to copy a table again.</summary>
/// <param name="RequestId">The request it comes from.</param>
/// <param name="Force">Copy although the table streams (a table's own resync); false: only what has no copy in this generation.</param>
public readonly record struct ResyncOrder(long RequestId, bool Force);
