using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Fold;
using Rosetta.Postgres.Destination.Parking;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Apply;

// Parking. A group of which something failed is applied again in short runs, each behind a savepoint: a run that fails is applied once more change by
// change, which names the guilty one, and then without it. Changes of keys that have something parked wait behind it, whether they would fail or not.
sealed partial class GroupApplier
{
    /// <summary>Changes of a run in a group that has failing ones.</summary>
    const int RunLimit = 256;

    readonly ParkingLot? _lot;
    readonly HashSet<TableName> _searched = [];
    readonly Dictionary<TablePlan, RowCounts> _countsAtRun = [];
    readonly Dictionary<TableName, int> _failures = [];
    ParkingLot.Mark _parkedAtRun;
    bool _inRuns;
    int _taken;
    byte[] _oldKey = [];
    byte[] _newKey = [];

    /// <summary>Tables whose changes go one by one, so that the failing one is named.</summary>
    HashSet<TableName> Searched => _lot is null ? _memory.Careful : _searched;

    bool IsFull => _inRuns && _taken >= RunLimit;

    void StartRuns()
    {
        _inRuns = _lot is not null && _memory.Careful.Count > 0;
        _searched.Clear();
        _failures.Clear();
        StartRun();
    }

    void StartRun()
    {
        _runStart = _cursor.Place;
        _taken = 0;
        if (!_inRuns)
            return;
        _parkedAtRun = _lot!.Here;
        _countsAtRun.Clear();
        foreach (var plan in _counted)
            _countsAtRun[plan] = plan.Counts;
    }

    /// <summary>Emits the run that ends here and waits for its outcome.</summary>
    async ValueTask FlushAsync(GroupPlace? until, CancellationToken cancellationToken)
    {
        if (!_inRuns)
        {
            await EmitAsync(until, cancellationToken);
            return;
        }

        while (true)
        {
            try
            {
                if (_touched.Count > 0)
                {
                    _context.Begin();
                    _context.Line.Filling.Query("SAVEPOINT rosetta_run", default);
                    _context.Transaction.Savepoint();
                }

                var isEmpty = _touched.Count == 0;
                await EmitAsync(until, cancellationToken);
                if (!isEmpty)
                    _context.Line.Filling.Query("RELEASE SAVEPOINT rosetta_run", default);
                _searched.Clear();
                return;
            }
            catch (ApplyFailure failure) when (FailureOf(failure) is { } reason)
            {
                await _context.Line.AbandonAsync();
                Abandon();
                await _context.Connection.QueryAsync("ROLLBACK TO SAVEPOINT rosetta_run", cancellationToken);
                _context.Transaction.RolledBackToSavepoint();
                Learn(failure, reason);
                _lot!.BackTo(_parkedAtRun);
                foreach (var plan in _counted)
                    plan.Counts = _countsAtRun.GetValueOrDefault(plan);
                _cursor.Place = _runStart;
                _taken = 0;
                WalkAgain(until);
            }
        }
    }

    void WalkAgain(GroupPlace? until)
    {
        var inRuns = _inRuns;
        _inRuns = false;
        if (Walk(until) is var pause and not Pause.End)
            throw new InvalidOperationException($"A run that was walked before has a pause in it now: {pause}.");
        _inRuns = inRuns;
    }

    /// <summary>What is parked for; null: it is no matter of a row.</summary>
    public static DeadLetterFailure? FailureOf(ApplyFailure failure) =>
        failure.InnerException is PgServerException error && ErrorPolicy.Classify(error.SqlState) == ErrorClass.Data
            ? new DeadLetterFailure(ErrorClass.Data, failure.Reason, error.SqlState)
            : null;

    void Learn(ApplyFailure failure, DeadLetterFailure reason)
    {
        var table = failure.Plan.Source;
        if (failure.At is not { } at)
        {
            // Found by none of its changes alone: not until the COMMIT, or not again.
            if (!_searched.Add(table))
                throw failure;
            return;
        }

        _memory.Guilty[at] = reason;
        _searched.Clear();
        var failures = _failures[table] = _failures.GetValueOrDefault(table) + 1;
        var counts = _countsAtRun.GetValueOrDefault(failure.Plan);
        if (_lot!.Judge(table, failures, failures + counts.Inserted + counts.Updated + counts.Deleted) is { } why)
        {
            throw new ApplyFailure(failure.Plan, $"{failure.Reason} ({why})", failure.InnerException) { At = at, Row = failure.Row, Remedy = failure.Remedy, IsFinal = true };
        }
    }

    /// <summary>Whether the change waits, because it failed or because of what is parked of its key.</summary>
    bool TryPark(TablePlan plan, in Change change)
    {
        var failure = _memory.Guilty.Count > 0 ? _memory.Guilty.GetValueOrDefault(_cursor.At) : null;
        if (failure is null && plan.Barrier is null)
            return false;
        var bytes = _cursor.CurrentBatch.Bytes;
        var old = change.HasOld ? ReadKey(plan, bytes, change.Old, -1, change.End, ref _oldKey) : default;
        var fresh = change.HasNew ? ReadKey(plan, bytes, change.New, change.Old, change.End, ref _newKey) : default;
        if (failure is null && plan.Barrier is { IsWhole: false } barrier && !barrier.Holds(old) && !barrier.Holds(fresh))
            return false;
        var isKnown = plan.HasPlainKey && !(change.HasOld && old.IsEmpty) && !(change.HasNew && fresh.IsEmpty);
        var key = change.HasOld ? old : fresh;
        ref readonly var transaction = ref _cursor.Transaction;
        _lot!.Add(new ParkedEntry(
            plan, _cursor.At, transaction.Xid, transaction.CommitTime, change.Kind, ParkedChange.Encode(_cursor.CurrentBatch.Relations[change.Relation], bytes, change),
            isKnown ? key.ToArray() : null, isKnown && change is { HasOld: true, HasNew: true } && !old.SequenceEqual(fresh) ? fresh.ToArray() : null, failure));
        return true;
    }

    /// <summary>A tuple's key; empty when it does not have all of it.</summary>
    static ReadOnlySpan<byte> ReadKey(TablePlan plan, ReadOnlySpan<byte> bytes, int offset, int fallback, int end, ref byte[] buffer)
    {
        var bound = end - Math.Min(offset, fallback < 0 ? offset : fallback) + (8 * plan.Key.Length);
        if (buffer.Length < bound)
            buffer = new byte[bound * 2];
        var length = plan.Key.Length == 0 ? -1 : Tuples.WriteKey(bytes, offset, fallback, plan.Key, buffer);
        return length > 0 ? buffer.AsSpan(0, length) : default;
    }
}
