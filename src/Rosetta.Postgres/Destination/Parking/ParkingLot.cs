using System.Collections.Concurrent;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Plans;

namespace Rosetta.Postgres.Destination.Parking;

/// <summary>
/// What is parked at a destination, and what the transaction under way adds to it. Truth is <c>rosetta.parked</c>; this is what it holds, plus what
/// is not committed yet and can be taken back.
/// </summary>
sealed class ParkingLot(ParkingLimits limits, TimeProvider time)
{
    readonly Dictionary<TableName, TableBarrier> _barriers = [];
    readonly Dictionary<TableName, FailureRate> _rates = [];
    readonly List<ParkedEntry> _waiting = [];
    readonly HashSet<Position> _skipped = [];
    readonly List<Change> _changes = [];
    readonly ConcurrentQueue<TableName> _copied = [];
    long _superseded;
    volatile IReadOnlyDictionary<TableName, bool> _tables = new Dictionary<TableName, bool>();

    /// <summary>A step that can be taken back: a key or the whole table was added to a barrier, or all of a barrier went.</summary>
    readonly record struct Change(TableName Table, TableBarrier Barrier, byte[]? Key, bool IsRemoval);

    /// <summary>A place to go back to.</summary>
    public readonly record struct Mark(int Waiting, int Changes);

    /// <summary>What the transaction under way parks.</summary>
    public IReadOnlyList<ParkedEntry> Waiting => _waiting;

    /// <summary>The transaction under way parks something, or takes something out.</summary>
    public bool IsChanged => _waiting.Count > 0 || _changes.Count > 0;

    /// <summary>Tables of which all entries go with the transaction under way.</summary>
    public IEnumerable<TableName> Emptied => _changes.Where(c => c.IsRemoval).Select(c => c.Table).Distinct();

    /// <summary>Tables that have parked changes, and whether that is all of theirs, after the last transaction; from any thread.</summary>
    public IReadOnlyDictionary<TableName, bool> Tables => _tables;

    /// <summary>Null: nothing of the table is parked.</summary>
    public TableBarrier? Of(TableName table) => _barriers.GetValueOrDefault(table);

    /// <summary>The change is skipped by the transaction under way.</summary>
    public bool Skips(Position at) => _skipped.Count > 0 && _skipped.Contains(at);

    /// <summary>Takes what the destination stores.</summary>
    /// <param name="key">Null: all of the table.</param>
    public void Load(TableName table, byte[]? key)
    {
        var barrier = BarrierOf(table);
        if (key is null)
            barrier.IsWhole = true;
        else
            barrier.TryAdd(key);
        // Past the bound it stays whole until nothing is left.
        barrier.IsWhole |= barrier.Keys > limits.Keys;
    }

    /// <summary>All of <see cref="Load"/> has been taken.</summary>
    public void Loaded() => Show();

    /// <summary>A chunk has brought the newest rows of these keys, and no other key is joined with them. Between two groups.</summary>
    /// <param name="nothingLeft">Nothing of the table is parked any more.</param>
    public void Superseded(TableName table, IEnumerable<byte[]> keys, bool nothingLeft)
    {
        if (_barriers.TryGetValue(table, out var barrier))
        {
            foreach (var key in keys)
                barrier.Remove(key);
        }

        if (nothingLeft)
            Forget(table);
        _superseded++;
    }

    /// <summary>How often a chunk, a copy or a TRUNCATE has taken something out: payloads are without use since.</summary>
    public long Supersedings => Volatile.Read(ref _superseded);

    /// <summary>A copy that has begun has taken out all that was parked of a table; from any thread.</summary>
    public void Copied(TableName table) => _copied.Enqueue(table);

    /// <summary>Takes note of <see cref="Copied"/>, between two transactions.</summary>
    /// <returns>A table that is to be loaded anew: a transaction that was under way may have parked something right after. Null: there is none.</returns>
    public TableName? Refresh()
    {
        if (!_copied.TryDequeue(out var table))
            return null;
        Forget(table);
        _superseded++;
        return table;
    }

    /// <summary>Nothing is known of the table any more, between two transactions.</summary>
    public void Forget(TableName table)
    {
        if (_barriers.Remove(table))
            Show();
    }

    public Mark Here => new(_waiting.Count, _changes.Count);

    public void Add(ParkedEntry entry)
    {
        var table = entry.Plan.Source;
        var barrier = BarrierOf(table);
        _waiting.Add(entry);
        _skipped.Add(entry.At);
        foreach (var key in (ReadOnlySpan<byte[]?>)[entry.Key, entry.MovedTo])
        {
            if (key is not null && barrier.TryAdd(key) is { } added)
                _changes.Add(new Change(table, barrier, added, false));
        }

        if (!barrier.IsWhole && (entry.Key is null || barrier.Keys > limits.Keys))
        {
            barrier.IsWhole = true;
            _changes.Add(new Change(table, barrier, null, false));
        }

        entry.Plan.Barrier = barrier;
    }

    /// <summary>A TRUNCATE makes what came before it pointless.</summary>
    public void Empty(TablePlan plan)
    {
        if (!_barriers.Remove(plan.Source, out var barrier))
            return;
        _changes.Add(new Change(plan.Source, barrier, null, true));
        foreach (var entry in _waiting.Where(e => e.Plan.Source == plan.Source))
            _skipped.Remove(entry.At);
        _waiting.RemoveAll(e => e.Plan.Source == plan.Source);
        plan.Barrier = null;
    }

    /// <summary>Notes failures of a table's changes in a group.</summary>
    /// <param name="changes">How many of its changes the group had so far.</param>
    /// <returns>Why parking is of no use any more; null: it is.</returns>
    public string? Judge(TableName table, int failures, long changes)
    {
        if (failures >= limits.ShareFrom && failures > changes * limits.Share)
            return $"{failures} of {changes} changes in a row of the stream failed: that is no matter of single rows";
        if (!_rates.TryGetValue(table, out var rate))
            _rates[table] = rate = new FailureRate(limits.Window, time);
        return rate.Count() > limits.Failures ? $"more than {limits.Failures} of its changes failed within {limits.Window.TotalMinutes:0.#} min" : null;
    }

    /// <summary>Takes back what was added since a mark; not over an <see cref="Empty"/>.</summary>
    public void BackTo(Mark mark)
    {
        for (var i = _changes.Count - 1; i >= mark.Changes; i--)
            Undo(_changes[i]);
        _changes.RemoveRange(mark.Changes, _changes.Count - mark.Changes);
        for (var i = mark.Waiting; i < _waiting.Count; i++)
        {
            _skipped.Remove(_waiting[i].At);
            _waiting[i].Plan.Barrier = Of(_waiting[i].Plan.Source);
        }

        _waiting.RemoveRange(mark.Waiting, _waiting.Count - mark.Waiting);
    }

    /// <summary>The transaction is rolled back.</summary>
    public void RolledBack()
    {
        BackTo(default);
        _skipped.Clear();
    }

    /// <summary>The transaction is committed.</summary>
    public void Committed()
    {
        if (IsChanged)
            Show();
        if (_changes.Exists(c => c.IsRemoval))
            _superseded++;
        _waiting.Clear();
        _skipped.Clear();
        _changes.Clear();
    }

    void Show() => _tables = _barriers.ToDictionary(b => b.Key, b => b.Value.IsWhole);

    void Undo(in Change change)
    {
        if (change.IsRemoval)
        {
            _barriers[change.Table] = change.Barrier;
            return;
        }

        if (change.Key is { } key)
            change.Barrier.Remove(key);
        else
            change.Barrier.IsWhole = false;
        if (change.Barrier is { Keys: 0, IsWhole: false } && _barriers.GetValueOrDefault(change.Table) == change.Barrier)
            _barriers.Remove(change.Table);
    }

    TableBarrier BarrierOf(TableName table)
    {
        if (!_barriers.TryGetValue(table, out var barrier))
            _barriers[table] = barrier = new TableBarrier();
        return barrier;
    }
}
