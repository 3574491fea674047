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
// change, each behind a savepoint too, which names all guilty ones in a round trip, and then without them. Changes of keys that have something parked
// wait behind it, whether they would fail or not.
sealed partial class GroupApplier
{
    /// <summary>Changes of a run in a group that has failing ones.</summary>
    const int RunLimit = 256;

    /// <summary>The same where constraints are deferred.</summary>
    const int LongestRun = 16 * RunLimit;

    readonly ParkingLot? _lot;
    readonly HashSet<TableName> _searched = [];
    readonly Dictionary<TablePlan, RowCounts> _countsAtRun = [];
    readonly Dictionary<TableName, int> _failures = [];
    ParkingLot.Mark _parkedAtRun;
    bool _inRuns;
    bool _checks;
    bool _singly;
    int _found;
    int _taken;
    byte[] _oldKey = [];
    byte[] _newKey = [];

    /// <summary>Tables whose changes go one by one, so that the failing one is named.</summary>
    HashSet<TableName> Searched => _lot is null ? _memory.Careful : _searched;

    // What is deferred holds at the end of a transaction: not in the middle of one, unless it is too large to wait.
    bool IsFull => _inRuns && ((_taken >= RunLimit && (!Defers || _cursor.IsAtStart || _taken >= LongestRun)) || (_singly && _taken > 0 && _cursor.IsAtStart));

    /// <summary>Constraints may be waiting for the COMMIT.</summary>
    bool Defers => !_context.ReplicaRole || _counted.Any(p => p.NeedsOriginRole);

    void StartRuns()
    {
        _inRuns = _lot is not null && (_memory.Careful.Count > 0 || _memory.Wary > 0);
        _singly = false;
        _searched.Clear();
        _failures.Clear();
        StartRun();
    }

    void StartRun()
    {
        _runStart = _cursor.Place;
        (_taken, _found) = (0, 0);
        if (!_inRuns)
            return;
        _parkedAtRun = _lot!.Here;
        _countsAtRun.Clear();
        foreach (var plan in _counted)
            _countsAtRun[plan] = plan.Counts;
    }

    /// <summary>Emits the run that ends here and waits for its outcome.</summary>
    /// <returns>False: its changes are to be walked over again, in shorter runs; the cursor stands before them.</returns>
    async ValueTask<bool> FlushAsync(GroupPlace? until, CancellationToken cancellationToken)
    {
        if (!_inRuns)
        {
            await EmitAsync(until, cancellationToken);
            return true;
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
                    // Each change by itself has to be right then, or is the guilty one.
                    if (Defers && _searched.Count > 0)
                        _context.Line.Filling.Query("SET CONSTRAINTS ALL IMMEDIATE", default);
                }

                var isEmpty = _touched.Count == 0;
                _checks = Defers && (until is null ? !_isOpenAtEnd : _cursor.IsAtStart);
                // A run mostly has one guilty change, which stops the search; with a second one all are found at once, at the price of savepoints.
                _context.Line.Failures = _searched.Count > 0 && _found > 0 ? [] : null;
                await EmitAsync(until, cancellationToken);
                _context.Line.Failures = null;
                if (!isEmpty)
                    _context.Line.Filling.Query("RELEASE SAVEPOINT rosetta_run", default);
                _searched.Clear();
                return true;
            }
            catch (ApplyFailure failure) when (FailureOf(failure) is { } reason && !MayBeMended(failure))
            {
                var found = _context.Line.Failures is { Count: > 0 } all ? all : [failure];
                await _context.Line.AbandonAsync();
                Abandon();
                await _context.Connection.QueryAsync("ROLLBACK TO SAVEPOINT rosetta_run", cancellationToken);
                _context.Transaction.RolledBackToSavepoint();
                // First transaction by transaction: only the one that is wrong at its end is searched.
                var isSplit = failure is { At: null, IsDeferred: true } && !_singly;
                _singly |= isSplit;
                foreach (var each in isSplit ? [] : found)
                    Learn(each, FailureOf(each) ?? reason);
                _lot!.BackTo(_parkedAtRun);
                foreach (var plan in _counted)
                    plan.Counts = _countsAtRun.GetValueOrDefault(plan);
                _cursor.Place = _runStart;
                _taken = 0;
                if (isSplit)
                    return false;
                WalkAgain(until);
            }
        }
    }

    /// <summary>Looks whether deferred constraints hold here, and leaves them deferred: what is undone was only looked at.</summary>
    async ValueTask CheckDeferredAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _context.Connection.QueryAsync("SAVEPOINT rosetta_check; SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK TO SAVEPOINT rosetta_check; RELEASE SAVEPOINT rosetta_check", cancellationToken);
        }
        catch (PgServerException e) when (FlightLine.IsOfTable(e) && PlanOf(e) is { } plan)
        {
            throw new ApplyFailure(plan, e.Error.Text, e) { IsDeferred = true };
        }
    }

    /// <summary>What a deferred check's failure is about: a constraint names its table; a trigger's own error does not, then a table with such triggers is it.</summary>
    public TablePlan? PlanOf(PgServerException error) => error.Error is { SchemaName: { } schema, TableName: { } table }
        ? _book.FindTarget(new TableName(schema, table))
        : Applied.FirstOrDefault(p => p.Target.HasUserTriggers);

    /// <summary>The table may lack a label of an enum, or be another one than its plan says: that is looked at before a change is called guilty.</summary>
    bool MayBeMended(ApplyFailure failure) =>
        !_memory.Careful.Contains(failure.Plan.Source) && failure.InnerException is PgServerException { SqlState: "22021" or "22P02" };

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

        _found++;
        _memory.Guilty[at] = reason;
        _searched.Clear();
        var failures = _failures[table] = _failures.GetValueOrDefault(table) + 1;
        var counts = _countsAtRun.GetValueOrDefault(failure.Plan);
        if (_lot!.Judge(table, failures, Math.Max(failures, _taken) + counts.Inserted + counts.Updated + counts.Deleted) is { } why)
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
        var waits = plan.Barrier is { } barrier && (barrier.IsWhole || barrier.Holds(old) || barrier.Holds(fresh));
        if (failure is null && !waits)
            return false;
        var isKnown = plan.HasPlainKey && !(change.HasOld && old.IsEmpty) && !(change.HasNew && fresh.IsEmpty);
        var key = change.HasOld ? old : fresh;
        ref readonly var transaction = ref _cursor.Transaction;
        _lot!.Add(new ParkedEntry(
            plan, _cursor.At, transaction.Xid, transaction.CommitTime, change.Kind, ParkedChange.Encode(_cursor.CurrentBatch.Relations[change.Relation], bytes, change),
            isKnown ? key.ToArray() : null, isKnown && change is { HasOld: true, HasNew: true } && !old.SequenceEqual(fresh) ? fresh.ToArray() : null, waits ? null : failure));
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
