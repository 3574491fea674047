using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Parking;
using Rosetta.Postgres.Destination.Plans;

namespace Rosetta.Postgres.Destination.Apply;

// Runs. A group of which something failed is applied again in short runs, each behind a savepoint, several in a round trip. Where one fails, the server passes
// over those after it, those before it stay, and it is searched: in parts, change by change, up to the first that fails. Then runs go on from that part.
sealed partial class GroupApplier
{
    /// <summary>Changes of a run, where constraints are deferred.</summary>
    const int LongestRun = 4096;

    readonly List<QueuedRun> _queued = [];
    readonly HashSet<TableName> _searched = [];
    Dictionary<TablePlan, RowCounts> _countsAtRun = [];
    ParkingLot.Mark _parkedAtRun;
    GroupPlace? _searchEnd;
    Search _search;
    bool _inRuns;
    bool _checks;
    bool _singly;
    bool _alone;
    int _number;
    int _found;
    int _taken;
    int _runSize;

    /// <summary>What is looked for in a run that failed, up to <see cref="_searchEnd"/>.</summary>
    enum Search
    {
        None,

        /// <summary>The first guilty change.</summary>
        First,

        /// <summary>All of them, with a savepoint for each change.</summary>
        All,
    }

    /// <summary>Tables whose changes go one by one, so that the failing one is named.</summary>
    HashSet<TableName> Searched => _lot is null ? _memory.Careful : _searched;

    bool IsFull => _inRuns && !_sifts && _taken > 0
        && ((_search != Search.None && _cursor.Place == _searchEnd) || (_taken >= _runSize && MayEnd) || (_singly && _cursor.IsAtStart));

    // What is deferred holds at the end of a transaction: not in the middle of one, unless it is too large to wait. And a part of a run that is searched with all
    // constraints immediate cannot stay.
    bool MayEnd => !Defers || (_search == Search.None && _cursor.IsAtStart) || _taken >= LongestRun;

    /// <summary>Constraints may be waiting for the COMMIT.</summary>
    bool Defers => _counted.Any(p => p.MayDefer);

    void StartRuns()
    {
        _sifts = _inRuns = _lot is not null && (_memory.Careful.Count > 0 || _memory.Wary > 0);
        _singly = _alone = false;
        _found = _context.Line.Run = 0;
        _queued.Clear();
        _failures.Clear();
        EndSearch();
        StartRun();
    }

    void StartRun()
    {
        _runStart = _cursor.Place;
        _taken = 0;
        if (!_inRuns)
            return;
        _runSize = _search switch { Search.None => RunSizes.Of(_memory.Failing.Value), Search.First => RunSizes.Part, _ => RunSizes.OfMany };
        _parkedAtRun = _lot!.Here;
        _countsAtRun = _counted.ToDictionary(p => p, p => p.Counts);
    }

    void EndSearch()
    {
        _search = Search.None;
        _searchEnd = null;
        _searched.Clear();
    }

    /// <summary>Sends the run that ends here.</summary>
    /// <param name="isBarrier">Its outcome, and that of those before it, is waited for.</param>
    /// <returns>False: changes are to be walked over again; the cursor stands before them.</returns>
    async ValueTask<bool> FlushAsync(GroupPlace? until, bool isBarrier, CancellationToken cancellationToken)
    {
        if (!_inRuns)
        {
            await EmitAsync(_touched, until, cancellationToken);
            await SettleAsync(cancellationToken);
            EndTouched();
            StartRun();
            return true;
        }

        if (_sifts)
            return await SiftAsync(until, cancellationToken);

        try
        {
            if (_touched.Count > 0)
                await QueueAsync(until, cancellationToken);
            if ((isBarrier || MustSettle(until)) && !await SettleAsync(cancellationToken))
                return false;
            if (isBarrier || until == _searchEnd)
                EndSearch();
            StartRun();
            return true;
        }
        catch (ApplyFailure failure) when (FailureOf(failure) is not null && !MayBeMended(failure))
        {
            await GoBackAsync(failure);
            return false;
        }
    }

    bool MustSettle(GroupPlace? until) => _search == Search.All || (_search != Search.None && until == _searchEnd) || _alone || Defers
        || _queued.Sum(r => r.Changes) >= RunSizes.Sent(_memory.Failing.Value);

    async ValueTask QueueAsync(GroupPlace? until, CancellationToken cancellationToken)
    {
        var line = _context.Line;
        _context.Begin();
        line.Run = ++_number;
        line.Filling.Query(_queued.Count == 0 ? "SAVEPOINT rosetta_runs; SAVEPOINT rosetta_run" : "RELEASE SAVEPOINT rosetta_run; SAVEPOINT rosetta_run", default);
        _queued.Add(new QueuedRun(_number, _runStart, until, _taken, _parkedAtRun, _countsAtRun));
        // Each change by itself has to be right then, or is the guilty one.
        if (Defers && _searched.Count > 0)
            line.Filling.Query("SET CONSTRAINTS ALL IMMEDIATE", new Step(0, _counted.First(p => p.MayDefer), StepKind.Plain));
        line.Failures = _search == Search.All ? [] : null;
        _checks = Defers && (until is null ? !_isOpenAtEnd : _cursor.IsAtStart);
        await EmitAsync(_touched, until, cancellationToken);
        EndTouched();
    }

    /// <summary>Waits for the outcome of what was sent, which then stays.</summary>
    /// <returns>False: runs are to be walked over again, one by one.</returns>
    async ValueTask<bool> SettleAsync(CancellationToken cancellationToken)
    {
        var line = _context.Line;
        await line.DrainAsync(cancellationToken);
        if (line.Failures is { Count: > 0 } failures)
            throw failures.Find(f => FailureOf(f) is null) ?? failures[0];
        if (line.HasMissed && _queued.Count > 1)
        {
            await TakeBackAsync(_queued[0], "rosetta_runs");
            _alone = true;
            return false;
        }

        await InsertMissedAsync(cancellationToken);
        if (_queued.Count > 0)
        {
            if (_checks)
                await CheckDeferredAsync(cancellationToken);
            line.Filling.Query("RELEASE SAVEPOINT rosetta_runs", default);
            _memory.Failing.Note(_queued.Sum(r => r.Changes), 0);
            _queued.Clear();
            _found = 0;
        }

        _context.Rows.Merged.Clear();
        line.Settled();
        return true;
    }

    /// <summary>What came before the run that failed stays; it and those after it are walked over again.</summary>
    async ValueTask GoBackAsync(ApplyFailure failure)
    {
        var line = _context.Line;
        // Rows that earlier runs missed are inserted before anything that comes after those runs.
        if (line.HasMissed && _queued.Count > 1)
        {
            await TakeBackAsync(_queued[0], "rosetta_runs");
            _alone = true;
            return;
        }

        IReadOnlyList<ApplyFailure> found = line.Failures is { Count: > 0 } all ? all : [failure];
        var run = _queued.Find(r => r.Number == failure.Run) ?? _queued[^1];
        _memory.Failing.Note(_queued.TakeWhile(r => r != run).Sum(r => r.Changes), 0);
        await TakeBackAsync(run, "rosetta_run");
        // First transaction by transaction: only the one that is wrong at its end is searched.
        if (failure is { At: null, IsDeferred: true } && !_singly)
        {
            _singly = true;
            return;
        }

        foreach (var each in found)
            Learn(each, FailureOf(each) ?? FailureOf(failure)!, run);
        StartRun();
    }

    async ValueTask TakeBackAsync(QueuedRun run, string savepoint)
    {
        var line = _context.Line;
        var divergences = line.Divergences.Where(d => d.Run < run.Number).ToList();
        await line.AbandonAsync();
        Abandon();
        line.Filling.Query($"ROLLBACK TO SAVEPOINT {savepoint}", default);
        line.Filling.Query("RELEASE SAVEPOINT rosetta_runs", default);
        _context.Transaction.TakenBack(run.Number);
        _context.Rows.Merged.Clear();
        ReturnTo(run);
        foreach (var (plan, of, rows) in divergences)
        {
            if (_queued.Exists(r => r.Number == of))
                plan.Counts += new RowCounts(0, 0, 0, Divergences: rows);
        }

        _queued.Clear();
        StartRun();
    }

    void ReturnTo(QueuedRun run)
    {
        _lot!.BackTo(run.Parked);
        foreach (var plan in _counted)
            plan.Counts = run.Counts.GetValueOrDefault(plan);
        _cursor.Place = run.Start;
    }
}
