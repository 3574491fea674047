using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Fold;
using Rosetta.Postgres.Destination.Parking;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Apply;

// Parking. A change that fails is parked, and those of its key that come after it wait behind it, whether they would fail or not.
sealed partial class GroupApplier
{
    readonly ParkingLot? _lot;
    readonly Dictionary<TableName, int> _failures = [];
    byte[] _oldKey = [];
    byte[] _newKey = [];

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

    /// <summary>What is parked for; null: it is no matter of a row.</summary>
    public static DeadLetterFailure? FailureOf(ApplyFailure failure) =>
        failure.InnerException is PgServerException error && ErrorPolicy.Classify(error.SqlState) == ErrorClass.Data
            ? new DeadLetterFailure(ErrorClass.Data, failure.Reason, error.SqlState)
            : null;

    /// <param name="run">In which it was met.</param>
    void Learn(ApplyFailure failure, DeadLetterFailure reason, QueuedRun run)
    {
        var table = failure.Plan.Source;
        if (failure.At is not { } at)
        {
            // Found by none of its changes alone: not until the COMMIT, or not again; or it is of an earlier piece of the transaction.
            if (!_searched.Add(table))
                throw failure.InnerException is PgServerException error && PlanOf(error) is { } plan && plan != failure.Plan ? new ApplyFailure(plan, failure.Reason, error) : failure;
            if (_search == Search.None)
                Begin(NamesAll ? Search.All : Search.First, run.Until);
            return;
        }

        _found++;
        var end = _search == Search.None ? run.Until : _searchEnd;
        var wasAll = _search == Search.All;
        EndSearch();
        // What is deferred would be wrong in between: it is searched only when it was wrong at the end.
        if (!wasAll && !Defers && NamesAll)
        {
            _searched.Add(table);
            Begin(Search.All, end);
        }

        Note(failure, at, reason, run.Counts.GetValueOrDefault(failure.Plan), Math.Max(0, run.Changes - _found));
    }

    /// <param name="changes">That may have failed, beside those that were applied.</param>
    void Note(ApplyFailure failure, Position at, DeadLetterFailure reason, RowCounts applied, int changes)
    {
        var table = failure.Plan.Source;
        _memory.Guilty[at] = reason;
        _memory.Failing.Note(0, 1);
        var before = _failures.GetValueOrDefault(table);
        _failures[table] = before + 1;
        if (_lot!.Judge(table, before + 1, before + changes + applied.Inserted + applied.Updated + applied.Deleted) is { } why)
            throw new ApplyFailure(failure.Plan, $"{failure.Reason} ({why})", failure.InnerException) { At = at, Row = failure.Row, Remedy = failure.Remedy, IsFinal = true };
    }

    // What is searched with all constraints immediate begins anew after each change that it names.
    bool NamesAll => RunSizes.NamesAll(_memory.Failing.Value) || (Defers && _found > 0);

    void Begin(Search search, GroupPlace? end) => (_search, _searchEnd) = (search, end);

    /// <summary>Whether the change waits, because it failed or because of what is parked of its key.</summary>
    bool TryPark(GroupCursor cursor, TablePlan plan, in Change change)
    {
        var failure = _memory.Guilty.Count > 0 ? _memory.Guilty.GetValueOrDefault(cursor.At) : null;
        if (failure is null && plan.Barrier is null)
            return false;
        var bytes = cursor.CurrentBatch.Bytes;
        var old = change.HasOld ? ReadKey(plan, bytes, change.Old, -1, change.End, ref _oldKey) : default;
        var fresh = change.HasNew ? ReadKey(plan, bytes, change.New, change.Old, change.End, ref _newKey) : default;
        var waits = plan.Barrier is { } barrier && (barrier.IsWhole || barrier.Holds(old) || barrier.Holds(fresh));
        if (failure is null && !waits)
            return false;
        var isKnown = plan.HasPlainKey && !(change.HasOld && old.IsEmpty) && !(change.HasNew && fresh.IsEmpty);
        var key = change.HasOld ? old : fresh;
        ref readonly var transaction = ref cursor.Transaction;
        _lot!.Add(new ParkedEntry(
            plan, cursor.At, transaction.Xid, transaction.CommitTime, change.Kind, ParkedChange.Encode(cursor.CurrentBatch.Relations[change.Relation], bytes, change),
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
