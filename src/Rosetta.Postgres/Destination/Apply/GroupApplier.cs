using Rosetta.Core.Changes;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Fold;
using Rosetta.Postgres.Destination.Parking;
using Rosetta.Postgres.Destination.Plans;

namespace Rosetta.Postgres.Destination.Apply;

/// <summary>
/// Turns a group into operations of the open transaction: walks its changes, gathers runs between barriers (TRUNCATE, a changed relation), and
/// emits each run. Does neither fence nor commit.
/// </summary>
sealed partial class GroupApplier : IDisposable
{
    readonly ApplyContext _context;
    readonly PlanBook _book;
    readonly Planner _planner;
    readonly FoldEmitter _fold;
    readonly ExactEmitter _exact;
    readonly Truncation _truncation;
    readonly ApplyMemory _memory;
    readonly GroupCursor _cursor = new();
    readonly GroupCursor _again = new();
    readonly List<TablePlan> _touched = [];
    readonly HashSet<TablePlan> _counted = [];
    readonly HashSet<uint> _changed = [];
    TablePlan?[][] _plans = [];
    byte[] _key = [];
    IReadOnlyList<ChangeBatch> _batches = [];
    GroupPlace _runStart;
    bool _isOpenAtEnd;

    /// <param name="lot">Null: a change that cannot be applied fails the group.</param>
    public GroupApplier(ApplyContext context, PlanBook book, ApplyMemory memory, ParkingLot? lot)
    {
        _lot = lot;
        _context = context;
        _book = book;
        _memory = memory;
        _planner = new Planner(context, book);
        _fold = new FoldEmitter(context);
        // Going back to a savepoint undoes what came since, whichever table it is of.
        _exact = new ExactEmitter(context, plan => _search == Search.All || Searched.Contains(plan.Source), lot);
        _truncation = new Truncation(context);
        _sieve = new Sieve(context);
    }

    /// <summary>What was done per table since <see cref="Start"/>.</summary>
    public IReadOnlyDictionary<TableName, RowCounts> Rows =>
        _counted.GroupBy(p => p.Source).ToDictionary(g => g.Key, g => g.Aggregate(default(RowCounts), (sum, p) => sum + p.Counts));

    /// <summary>The plans that had changes since <see cref="Start"/>.</summary>
    public IEnumerable<TablePlan> Applied => _counted;

    /// <summary>Begins with a group's first change that is not durable yet.</summary>
    public void Start(ApplyGroup group, Lsn position)
    {
        _batches = group.Batches;
        _isOpenAtEnd = group.IsOpenAtEnd;
        _context.Rows.Batches = group.Batches;
        _context.Rows.Merged.Clear();
        _book.Refresh();
        _cursor.Start(group.Batches, position);
        _again.Start(group.Batches, position);
        _runStart = _cursor.Place;
        _counted.Clear();
        StartRuns();
        FindChanged(group.Batches);
        _plans = new TablePlan?[group.Batches.Count][];
        for (var i = 0; i < _plans.Length; i++)
            _plans[i] = new TablePlan?[group.Batches[i].Relations.Count];
    }

    /// <summary>Applies all of it. Everything sent has been answered when it returns.</summary>
    /// <exception cref="ApplyFailure">A table cannot go on like this.</exception>
    public async ValueTask RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            switch (Walk())
            {
                case Pause.UnknownRelation:
                    await ResolveAsync(cancellationToken);
                    break;
                case Pause.Truncate:
                    if (await FlushAsync(_cursor.Place, isBarrier: true, cancellationToken))
                        await TruncateAsync(cancellationToken);
                    break;
                case Pause.Full:
                    if (await FlushAsync(_cursor.Place, isBarrier: false, cancellationToken))
                        _runStart = _cursor.Place = Before(_cursor.Place);
                    break;
                default:
                    if (await FlushAsync(null, isBarrier: true, cancellationToken))
                        return;
                    break;
            }
        }
    }

    /// <summary>Forgets the run after a failure.</summary>
    public void Abandon()
    {
        EndTouched();
        _exact.Abandon();
    }

    enum Pause
    {
        End,
        UnknownRelation,
        Truncate,

        /// <summary>The run is as long as one may be; the cursor stands on the change after it.</summary>
        Full,
    }

    // A look ahead: a table that is only inserted into needs no fold.
    void FindChanged(IReadOnlyList<ChangeBatch> batches)
    {
        _changed.Clear();
        foreach (var batch in batches)
        {
            var last = -1;
            foreach (ref readonly var change in batch.Changes)
            {
                if (change.Kind is ChangeKind.Insert or ChangeKind.Truncate or ChangeKind.Filtered || change.Relation == last)
                    continue;
                last = change.Relation;
                _changed.Add(batch.Relations[change.Relation].Id);
            }
        }
    }

    Pause Walk()
    {
        while (_cursor.MoveNext())
        {
            if (IsFull)
                return Pause.Full;
            ref readonly var change = ref _cursor.Current;
            if (change.Kind == ChangeKind.Filtered)
                continue;
            ref var plan = ref _plans[_cursor.Batch][change.Relation];
            if (plan is null && (plan = _book.Find(_cursor.CurrentBatch.Relations[change.Relation])) is null)
                return Pause.UnknownRelation;
            if (plan.IsSkipped || _cursor.Transaction.CommitLsn < plan.Since)
                continue;
            if (change.Kind == ChangeKind.Truncate)
                return Pause.Truncate;
            Take(plan, change);
        }

        return Pause.End;
    }

    void Take(TablePlan plan, in Change change)
    {
        if (!plan.IsTouched)
            Touch(plan);
        if (plan.WatchesText)
            WatchText(plan, change);
        if (plan.Watch is { } watch)
            Note(watch, plan, change);
        _taken++;
        if (_lot is not null && TryPark(_cursor, plan, change))
            return;
        plan.MayMiss |= (change.Flags & ChangeFlags.MayBeAbsent) != 0;
        plan.Counts += CountOf(change);
        if (plan.AppliesExactly)
            return;
        if (plan.OnlyInserts)
            plan.Fold.Append(_cursor.Batch, change);
        else if (!plan.Fold.TryAdd(_cursor.Batch, change))
            plan.ExactForRun = true;
    }

    static RowCounts CountOf(in Change change) => change.Kind switch
    {
        ChangeKind.Insert => new RowCounts(1, 0, 0),
        ChangeKind.Update when (change.Flags & AsOther) == 0 => new RowCounts(0, 1, 0),
        _ when (change.Flags & AsOther) == AsOther => default,
        ChangeKind.Update when (change.Flags & ChangeFlags.CountsAsInsert) != 0 => new RowCounts(1, 0, 0),
        _ => new RowCounts(0, 0, 1),
    };

    const ChangeFlags AsOther = ChangeFlags.CountsAsInsert | ChangeFlags.CountsAsDelete;

    void Touch(TablePlan plan)
    {
        if (_counted.Add(plan))
            plan.Counts = default;
        plan.IsTouched = true;
        if (_memory.Replacing.Contains(plan.Source))
            plan.AvoidUpdates();
        plan.OnlyInserts = !plan.IsCopying && !_sifts && !_changed.Contains(plan.Relation.Id);
        plan.ExactForRun = Searched.Contains(plan.Source);
        _touched.Add(plan);
    }

    void Note(KeyWatch watch, TablePlan plan, in Change change)
    {
        var bytes = _cursor.CurrentBatch.Bytes;
        var bound = change.End - Math.Max(0, change.HasOld ? change.Old : change.New) + (5 * plan.Key.Length);
        if (_key.Length < bound)
            _key = new byte[bound * 2];
        if (change.HasNew && Tuples.WriteKey(bytes, change.New, change.Old, plan.Key, _key) is >= 0 and var length)
        {
            Span<ulong> present = stackalloc ulong[plan.Shapes.Words];
            var isPartial = (change.Flags & ChangeFlags.OldIsFull) == 0 && !Tuples.ReadShape(bytes, change.New, present);
            watch.Changed(_cursor.Transaction.Xid, _key.AsSpan(0, length), isPartial);
        }

        if (change.HasOld && Tuples.WriteKey(bytes, change.Old, -1, plan.Key, _key) is >= 0 and var oldLength)
            watch.Changed(_cursor.Transaction.Xid, _key.AsSpan(0, oldLength), isPartial: false);
    }

    void WatchText(TablePlan plan, in Change change)
    {
        var bytes = _cursor.CurrentBatch.Bytes;
        var learnt = false;
        foreach (var offset in (ReadOnlySpan<int>)[change.Old, change.New])
        {
            if (offset < 0)
                continue;
            var reader = new TupleReader(bytes, offset);
            while (reader.Read())
            {
                if (reader.Kind == ValueKind.Text && plan.Bound[reader.Column] is { IsText: false } column)
                    column.IsText = learnt = true;
            }
        }

        if (learnt)
            plan.Statements.Reset();
    }

    async ValueTask ResolveAsync(CancellationToken cancellationToken)
    {
        var relation = _cursor.CurrentBatch.Relations[_cursor.Current.Relation];
        // The rows of the old shape come before the change of shape; and nothing else may be under way.
        if ((_queued.Count > 0 || _book.Before(relation) is { IsTouched: true }) && !await FlushAsync(_cursor.Place, isBarrier: true, cancellationToken))
            return;
        await _context.Line.DrainAsync(cancellationToken);
        await _planner.MakeAsync(relation, _cursor.At, cancellationToken);
        // The change itself is still to be taken.
        _cursor.Place = Before(_cursor.Place);
        if (_touched.Count == 0)
            _runStart = _cursor.Place;
    }

    static GroupPlace Before(GroupPlace place) => place with { Change = place.Change - 1 };

    /// <summary>Queues the run that ends here.</summary>
    async ValueTask EmitAsync(List<TablePlan> plans, GroupPlace? until, CancellationToken cancellationToken)
    {
        if (plans.Count == 0)
            return;
        _context.Begin();
        var exact = false;
        foreach (var plan in plans)
        {
            if (!plan.AppliesExactly && FoldEmitter.NeedsExactOrder(plan))
                plan.ExactForRun = true;
            exact |= plan.AppliesExactly;
            if (plan.AppliesExactly)
                continue;
            _context.SetRole(plan, origin: true);
            await _fold.EmitAsync(plan, cancellationToken);
            _context.SetRole(plan, origin: false);
        }

        if (exact)
        {
            _again.Place = _runStart;
            await _exact.EmitAsync(_again, until, (batch, relation) => _plans[batch][relation], cancellationToken);
        }

        if (!_context.ReplicaRole)
            _context.Transaction.MayDefer = true;
    }

    void EndTouched()
    {
        foreach (var plan in _touched)
            plan.EndRun();
        _touched.Clear();
    }

    /// <summary>Whole rows that an update did not find are inserted: the destination had lost them. Others are to be read again.</summary>
    async ValueTask InsertMissedAsync(CancellationToken cancellationToken)
    {
        var line = _context.Line;
        foreach (var (plan, row) in line.MissedPartials)
            Pend(plan, row);
        foreach (var (plan, shape) in line.MissedPartialStages)
        {
            _memory.Pended.Add(plan.Source);
            line.ExecuteStaged(plan.Statements.PendMissing(_context.PositionRow, shape, line.Run > 0), new Step(0, plan, StepKind.Plain));
        }

        line.MissedPartials.Clear();
        line.MissedPartialStages.Clear();
        foreach (var (plan, row) in line.MissedRows)
        {
            var bind = line.Filling.Execute(plan.Statements.Insert(), plan.Columns.Count, new Step(0, plan, StepKind.Plain));
            Statements.BindRows.WriteRow(bind, _context.Rows.BytesOf(row), row.Offset, plan.Bound);
            bind.Complete();
        }

        foreach (var plan in line.MissedStages)
            line.ExecuteStaged(plan.Statements.InsertMissing(line.Run > 0), new Step(0, plan, StepKind.Plain));
        line.MissedRows.Clear();
        line.MissedStages.Clear();
        await line.DrainAsync(cancellationToken);
    }

    void Pend(TablePlan plan, RowRef row)
    {
        _memory.Pended.Add(plan.Source);
        if (_key.Length < row.Length + (8 * plan.Key.Length))
            _key = new byte[2 * (row.Length + (8 * plan.Key.Length))];
        var length = Tuples.WriteKey(_context.Rows.BytesOf(row), row.Offset, -1, plan.Key, _key);
        if (length < 0)
            throw new ApplyFailure(plan, "An update that leaves out unchanged values (TOAST) found no row at the destination, and does not bring its key.");
        var bind = _context.Line.Filling.Execute(plan.Statements.Pend(_context.PositionRow), plan.Key.Length, new Step(0, plan, StepKind.Plain));
        Statements.BindRows.WriteKey(bind, _key.AsSpan(0, length));
        bind.Complete();
    }

    /// <summary>Takes the truncations of one statement together; the cursor stands on the first that concerns us.</summary>
    async ValueTask TruncateAsync(CancellationToken cancellationToken)
    {
        var plans = new List<TablePlan>();
        var flags = ChangeFlags.None;
        while (true)
        {
            var change = _cursor.Current;
            var relation = _cursor.CurrentBatch.Relations[change.Relation];
            if ((_plans[_cursor.Batch][change.Relation] ??= _book.Find(relation)) is not { } plan)
                plan = _plans[_cursor.Batch][change.Relation] = await _planner.MakeAsync(relation, _cursor.At, cancellationToken);
            if (!plan.IsSkipped && !plan.IgnoresTruncate && _cursor.Transaction.CommitLsn >= plan.Since && !plans.Contains(plan))
            {
                if (_counted.Add(plan))
                    plan.Counts = default;
                plan.Counts += new RowCounts(0, 0, 0, Truncates: 1);
                plan.Watch?.Truncated(_cursor.Transaction.Xid);
                _lot?.Empty(plan);
                plans.Add(plan);
                flags = change.Flags;
            }

            // The statement's tables may be spread over two batches.
            if ((change.Flags & ChangeFlags.TruncateContinues) == 0 || !_cursor.MoveNext())
                break;
        }

        if (plans.Count > 0)
            await _truncation.RunAsync(plans, _cursor.Transaction, (flags & ChangeFlags.TruncateRestartIdentity) != 0, cancellationToken);
        StartRun();
    }

    public void Dispose() => _batches = [];
}
