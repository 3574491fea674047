using Rosetta.Core.Changes;
using Rosetta.Core.Destinations;
using Rosetta.Postgres.Destination.Plans;

namespace Rosetta.Postgres.Destination.Apply;

// The sieve. Where keys do not depend on one another, a group of which something failed stays in one piece: its folded rows are written in parts, those that the
// destination refuses are found (see Sieve), and only their keys' changes are applied in source order, to find the guilty ones and what has to wait behind
// them. Where that does not work out, everything is taken back, and the group goes on in runs.
sealed partial class GroupApplier
{
    /// <summary>Keys whose changes fail one after the other: each time all of the keys' changes are tried again.</summary>
    const int MostTries = 16;

    /// <summary>Past this share of refused rows runs are no dearer, and they know when to stop.</summary>
    const double MostRefused = 0.2;

    readonly Sieve _sieve;
    readonly Dictionary<TablePlan, HashSet<byte[]>> _suspects = [];
    readonly List<(TablePlan Plan, RowCounts Counts)> _parkedCounts = [];
    bool _sifts;

    /// <summary>Rows of its fold can be written in any order, and one of them be left out.</summary>
    static bool CanSift(TablePlan plan) => plan is
        { Mode: ApplyMode.Fold, AppliesExactly: false, MayDefer: false, IsCopying: false, Replaces: false, MayMiss: false, OnlyInserts: false, HasPlainKey: true, Target.HasOtherUnique: false }
        && !plan.Fold.HasMoves;

    /// <summary>Applies what was walked over; nothing is under way afterwards.</summary>
    /// <returns>False: it is to be walked over again, in runs; the cursor stands before it.</returns>
    async ValueTask<bool> SiftAsync(GroupPlace? until, CancellationToken cancellationToken)
    {
        var line = _context.Line;
        if (_touched.Count > 0)
        {
            var start = new QueuedRun(++_number, _runStart, until, _taken, _parkedAtRun, _countsAtRun);
            // What is deferred is looked at transaction by transaction.
            if (Defers)
            {
                Abandon();
                ReturnTo(start);
                StartRun();
                _sifts = false;
                return false;
            }

            _context.Begin();
            line.Run = _number;
            line.Filling.Query("SAVEPOINT rosetta_runs", default);
            if (!await TrySiftAsync(until, cancellationToken))
            {
                await TakeBackAsync(start, "rosetta_runs");
                _sifts = false;
                return false;
            }

            line.Filling.Query("RELEASE SAVEPOINT rosetta_runs", default);
            _memory.Failing.Note(_taken, 0);
            EndTouched();
        }

        await line.DrainAsync(cancellationToken);
        _context.Rows.Merged.Clear();
        line.Settled();
        StartRun();
        return true;
    }

    async ValueTask<bool> TrySiftAsync(GroupPlace? until, CancellationToken cancellationToken)
    {
        try
        {
            var sifted = _touched.Where(CanSift).ToList();
            var others = _touched.Where(p => !sifted.Contains(p)).ToList();
            if (others.Count > 0)
            {
                await EmitAsync(others, until, cancellationToken);
                await _context.Line.DrainAsync(cancellationToken);
                await InsertMissedAsync(cancellationToken);
            }

            return sifted.Count == 0 || (await RefuseAsync(sifted, cancellationToken) && await ParkRefusedAsync(until, cancellationToken));
        }
        catch (ApplyFailure failure) when (failure.IsFinal is false && FailureOf(failure) is not null && !MayBeMended(failure))
        {
            return false;
        }
    }

    /// <summary>Writes all rows but those that are refused.</summary>
    async ValueTask<bool> RefuseAsync(IReadOnlyList<TablePlan> plans, CancellationToken cancellationToken)
    {
        var line = _context.Line;
        foreach (var plan in plans)
            await _fold.EmitDeletesAsync(plan, cancellationToken);
        line.Failures = [];
        _sieve.Start();
        foreach (var plan in plans)
            await _sieve.EmitAsync(plan, cancellationToken);
        while (true)
        {
            var failures = await OutcomeAsync(cancellationToken);
            if (line.IsShort || _sieve.RowsOf(failures) > (MostRefused * _taken) + Sieve.Largest)
                return false;
            line.Failures = [];
            if (!await _sieve.NextAsync(failures, cancellationToken))
                return true;
        }
    }

    /// <summary>What failed of what was queued.</summary>
    async ValueTask<IReadOnlyList<ApplyFailure>> OutcomeAsync(CancellationToken cancellationToken)
    {
        var line = _context.Line;
        await line.DrainAsync(cancellationToken);
        var failures = line.Failures!;
        return failures.Find(f => FailureOf(f) is null || MayBeMended(f)) is { } other ? throw other : failures;
    }

    /// <summary>Applies the changes of refused rows' keys in order, and parks those that fail and what comes after them.</summary>
    async ValueTask<bool> ParkRefusedAsync(GroupPlace? until, CancellationToken cancellationToken)
    {
        _suspects.Clear();
        foreach (var (plan, number) in _sieve.Refused)
        {
            // What it was before the group has gone already.
            if (plan.Fold.Keys[number].DeleteFirst)
                return false;
            if (!_suspects.TryGetValue(plan, out var keys))
                _suspects[plan] = keys = new HashSet<byte[]>(ByteKeys.Comparer);
            keys.Add(plan.Fold.KeyOf(number).ToArray());
        }

        if (_suspects.Count == 0)
            return true;
        var line = _context.Line;
        var parked = _lot!.Here;
        var counts = _suspects.Keys.ToDictionary(p => p, p => p.Counts);
        foreach (var plan in _suspects.Keys)
            _searched.Add(plan.Source);
        line.Filling.Query("SAVEPOINT rosetta_refused", default);
        line.BeginSeparating();
        for (var tries = 0; tries < MostTries; tries++)
        {
            line.Failures = [];
            await ApplyRefusedAsync(until, cancellationToken);
            if (await OutcomeAsync(cancellationToken) is not { Count: > 0 } failures)
            {
                foreach (var (plan, count) in _parkedCounts)
                    plan.Counts += new RowCounts(-count.Inserted, -count.Updated, -count.Deleted);
                _searched.Clear();
                // Past the bound all later changes of the table would have had to wait.
                return !line.HasMissed && _suspects.Keys.All(p => p.Barrier is not { IsWhole: true });
            }

            foreach (var failure in failures)
                Note(failure, failure.At!.Value, FailureOf(failure)!, counts[failure.Plan], 0);
            line.Forget();
            line.Filling.Query("ROLLBACK TO SAVEPOINT rosetta_refused", default);
            line.BeginSeparating();
            _lot.BackTo(parked);
            foreach (var (plan, count) in counts)
                plan.Counts = count;
        }

        return false;
    }

    async ValueTask ApplyRefusedAsync(GroupPlace? until, CancellationToken cancellationToken)
    {
        _parkedCounts.Clear();
        _again.Place = _runStart;
        while (_again.MoveNext(until))
        {
            if (_again.Current.Kind is ChangeKind.Filtered or ChangeKind.Truncate || _plans[_again.Batch][_again.Current.Relation] is not { } plan
                || !_suspects.TryGetValue(plan, out var keys) || _again.Transaction.CommitLsn < plan.Since || _lot!.Skips(_again.At) || !IsOf(keys, plan, _again))
                continue;
            if (TryPark(_again, plan, _again.Current))
            {
                _parkedCounts.Add((plan, CountOf(_again.Current)));
                continue;
            }

            _exact.Emit(_again, plan);
            _context.Line.Separate();
            if (_context.Line.IsFull)
                await _context.Line.SendAsync(cancellationToken);
        }
    }

    bool IsOf(HashSet<byte[]> keys, TablePlan plan, GroupCursor cursor)
    {
        ref readonly var change = ref cursor.Current;
        var bytes = cursor.CurrentBatch.Bytes;
        var key = change.HasNew ? ReadKey(plan, bytes, change.New, change.Old, change.End, ref _newKey) : ReadKey(plan, bytes, change.Old, -1, change.End, ref _oldKey);
        return keys.GetAlternateLookup<ReadOnlySpan<byte>>().Contains(key);
    }
}
