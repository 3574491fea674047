using System.Collections.Concurrent;
using Rosetta.Actors.Replication;
using Rosetta.Actors.Spill;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Destinations;

/// <summary>One destination's account of itself. The lane's program writes, the reporter reads; no decision rests on it.</summary>
public sealed class DestinationStatus(TimeProvider time)
{
    readonly ConcurrentDictionary<TableName, TableProgress> _tables = new();
    volatile Fault? _fault;
    volatile Fault? _storeFault;
    long _parked = -1;
    long _applied;
    long _lastSuccess;

    public IEnumerable<TableProgress> Tables => _tables.Values;

    /// <summary>Why it is not fine; null when it is.</summary>
    public Fault? Fault
    {
        get => _fault;
        set => _fault = value;
    }

    /// <summary>Why the store of dead letters may not be used: changes that cannot be applied would stop the destination. Null: it may.</summary>
    public Fault? StoreFault
    {
        get => _storeFault;
        set => _storeFault = value;
    }

    /// <summary>Changes that are parked at the destination; null: not counted yet.</summary>
    public long? Parked
    {
        get => Volatile.Read(ref _parked) is var count and >= 0 ? count : null;
        set => Volatile.Write(ref _parked, value ?? -1);
    }

    /// <summary>Its spill log; null: it never has one.</summary>
    public LaneSpill? Spill { get; set; }

    /// <summary>Null until the first copy of every table was complete.</summary>
    public Lsn? Applied => Volatile.Read(ref _applied) is var v and not 0 ? new Lsn((ulong)v) : null;

    public DateTimeOffset? LastSuccess =>
        Volatile.Read(ref _lastSuccess) is var ticks and not 0 ? new DateTimeOffset(ticks, TimeSpan.Zero) : null;

    /// <summary>The lane passed a position with its tables copied; never goes back.</summary>
    public void AppliedUpTo(Lsn position)
    {
        if ((ulong)Volatile.Read(ref _applied) < position.Value)
            Volatile.Write(ref _applied, (long)position.Value);
        Succeeded();
    }

    public void Succeeded() => Volatile.Write(ref _lastSuccess, time.GetUtcNow().UtcTicks);

    public TableProgress? Of(TableName table) => _tables.GetValueOrDefault(table);

    public void Set(TableProgress progress) =>
        _tables.AddOrUpdate(progress.Table, progress, (_, before) => progress with { Rows = before.Rows, LastResync = progress.LastResync ?? before.LastResync });

    /// <summary>Tables of a plan that the lane has not come to yet; it may be busy, or its destination away.</summary>
    public void Announce(DestinationPlan plan)
    {
        foreach (var table in plan.Tables)
            _tables.TryAdd(table.Source, TableProgress.Of(table, TableProgress.StateOf(table, null, default)));
    }

    public void Change(TableName table, Func<TableProgress, TableProgress> change)
    {
        while (_tables.TryGetValue(table, out var before))
        {
            if (_tables.TryUpdate(table, change(before), before))
                return;
        }
    }

    /// <summary>Tables that are no longer planned disappear.</summary>
    public void Keep(IReadOnlySet<TableName> planned)
    {
        foreach (var table in _tables.Keys)
        {
            if (!planned.Contains(table))
                _tables.TryRemove(table, out _);
        }
    }

    public void Count(ApplyResult result)
    {
        foreach (var (table, rows) in result.Rows)
            Change(table, t => t with { Rows = t.Rows + rows });
        foreach (var (table, stop) in result.Stops)
            Change(table, t => t with { State = TableState.Error, Error = stop.Describe(), Remedy = stop.Remedy });
    }

    /// <summary>Health from what is known: the first that fits.</summary>
    public DestinationHealth Health(LaneState lane, TimeSpan behind)
    {
        if (lane == LaneState.Spilling && _fault is null or { Class: ErrorClass.Transient })
            return DestinationHealth.Spilling;
        if (_fault is { } fault)
            return fault.Class is ErrorClass.Operator or ErrorClass.Table or ErrorClass.Data ? DestinationHealth.Error : DestinationHealth.Retrying;
        if (Applied is null)
            return DestinationHealth.Snapshotting;
        return lane is not LaneState.Attached || behind > LaggingAfter ? DestinationHealth.Lagging : DestinationHealth.Healthy;
    }

    static readonly TimeSpan LaggingAfter = TimeSpan.FromSeconds(10);
}
