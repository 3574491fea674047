using Rosetta.Actors.Recovery;
using Rosetta.Actors.Replication;
using Rosetta.Actors.Spill;
using System.Collections.Immutable;
using System.Runtime.ExceptionServices;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Lanes;
using Rosetta.Core.Options;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Store.Runtime;
using Rosetta.Transforms.Rewriting;

namespace Rosetta.Actors.Destinations;

/// <summary>
/// What one lane does, in order: open the destination, copy what it lacks, catch up, join, apply; again from the copy whenever its tables
/// change, and from catching up whenever it was detached. Runs until stopped; any failure ends it and its actor decides what follows.
/// </summary>
public sealed class LaneProgram(LaneContext context, TimeProvider time)
{
    readonly LaneTransforms _transforms = context.MakeTransforms();
    LaneOptions? _optioned;
    ImmutableDictionary<TableName, TableRoute> _refused = ImmutableDictionary<TableName, TableRoute>.Empty;
    ImmutableHashSet<(TableName, long)> _done = [];
    readonly LandingGate _landing = new();
    readonly Lock _gate = new();
    readonly List<ChunkJob> _jobs = [];
    readonly List<LaneOrder> _orders = [];
    ChunkedCopies? _chunks;
    ParkedRecovery? _recovery;
    TableFinisher? _finisher;
    CancellationTokenSource _interrupt = new();
    LaneFeed? _feed;
    volatile bool _stopping;

    Lane Lane => context.Lane;

    LaneHub Hub => context.Hub;

    DestinationStatus Status => context.Status;

    LaneOptions Options => _optioned ??= new LaneOptions(_transforms, _transforms.Schema);

    /// <summary>The tables changed: look at the plan again after the group at hand.</summary>
    public void Replan()
    {
        lock (_gate)
            _interrupt.Cancel();
    }

    /// <summary>Has a job done beside the stream, once the destination is open.</summary>
    public void Do(ChunkJob job)
    {
        lock (_gate)
        {
            if (_chunks is { } open)
                open.Add(job);
            else
                _jobs.Add(job);
        }
    }

    /// <summary>Has an order about parked changes carried out, once the destination is open.</summary>
    public void Recover(LaneOrder order)
    {
        lock (_gate)
        {
            if (_recovery is { } open)
                open.Take(order);
            else
                _orders.Add(order);
        }
    }

    /// <summary>Come to an end: a lane that is fed by the main stream when its log is read to the end, any other after the group at hand.</summary>
    public void Stop()
    {
        _stopping = true;
        // Not by the lane's state: the main stream may have ended already, and what it left in the log is still to be applied.
        if (_feed is not { IsReading: true })
            Replan();
    }

    /// <exception cref="FencedException">A newer incarnation has this destination.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var transforms = _transforms;
        await context.Source.WhenReady(cancellationToken).ConfigureAwait(false);
        context.Spill?.RequireWhole();
        await using var session = await context.Destination
            .OpenAsync(context.Opening with { StartPosition = Lane.Feeds, Source = Options.Schema }, cancellationToken).ConfigureAwait(false);
        Failpoint.Hit(FailpointNames.DestinationFenced);
        var spilled = context.Spill is { } spill && await spill.CoversAsync(session.Position, cancellationToken).ConfigureAwait(false);
        var resumeAt = spilled ? session.Position : await context.Source.ResumeAtAsync(context.DestinationId, session.Position, cancellationToken).ConfigureAwait(false);
        if (Lane.Log is null || spilled)
            Lane.Pass(resumeAt);
        Lane.Failing = false;
        Status.Fault = null;
        context.Stored(session.Position);
        var pump = new LanePump(Lane, new DestinationSink(Lane, session, Options), context.Bounds, (result, bytes, took) =>
        {
            context.Stored(session.Position);
            Applied(result, bytes, took);
            if (session.Pending.Count > 0)
                ReadPending(session);
        }, _landing);
        var feed = _feed = new LaneFeed(context, pump, () => ShowStreaming(session));
        await using var chunks = new ChunkedCopies(context with { Refused = Refuse, ResyncDone = Answer }, session, _landing, _transforms, Replan, time);
        var parked = context.MeasureParked(time);
        await using var gauge = new ParkedGauge(context, session, parked, time);
        gauge.Start();
        await using var recovery = new ParkedRecovery(context, session, _landing, parked, time);
        recovery.Start();
        await using var finisher = new TableFinisher(context, session, time);
        _finisher = finisher;
        finisher.Start();
        lock (_gate)
        {
            _chunks = chunks;
            _jobs.ForEach(chunks.Add);
            _recovery = recovery;
            _orders.ForEach(recovery.Take);
        }

        ReadPending(session);

        while (!_stopping || (Lane.Log is not null && context.Spill is not { IsWanted: true }))
        {
            var interrupt = RenewInterrupt();
            context.Spill?.RequireWhole();
            if (chunks.Failure is { } failure)
                ExceptionDispatchInfo.Throw(failure);
            if (context.Plans[context.DestinationId] is not { } plan)
                return;
            if (!await FollowPlanAsync(session, plan, cancellationToken).ConfigureAwait(false))
                continue;
            if (_stopping && Lane.Log is null)
                return;
            // Every table has its copy: the destination has a position.
            Status.AppliedUpTo(Lane.Passed);
            await StreamAsync(pump, feed, interrupt, cancellationToken).ConfigureAwait(false);
        }
    }

    CancellationToken RenewInterrupt()
    {
        lock (_gate)
        {
            if (_interrupt.IsCancellationRequested && !(_stopping && Lane.State != LaneState.Attached))
            {
                _interrupt.Dispose();
                _interrupt = new CancellationTokenSource();
            }

            return _interrupt.Token;
        }
    }

    // Of a table that is being copied its copy reads them.
    void ReadPending(IDestinationSession session)
    {
        var pending = session.Pending.Where(t => session.Tables.GetValueOrDefault(t) is { Streams: true, Copying: null }).ToHashSet();
        if (pending.Count > 0)
            _chunks?.Read(pending);
    }

    /// <summary>Copies, adopts and forgets what the plan asks for. False: the plan changed meanwhile or a copy has to be tried again.</summary>
    async Task<bool> FollowPlanAsync(IDestinationSession session, DestinationPlan plan, CancellationToken cancellationToken)
    {
        var routes = plan.Tables.Where(t => t.Route is not null && !t.Paused).ToDictionary(t => t.Source, t => t.Route!);
        // Before anything is forgotten: what a table's changed choice has called off may still be landing.
        await _chunks!.KeepAsync(routes).ConfigureAwait(false);
        foreach (var (table, route) in _refused.Where(r => !r.Value.IsSameAs(routes.GetValueOrDefault(r.Key))))
            ImmutableInterlocked.TryRemove(ref _refused, table, out _);
        ShowTables(session, plan);
        var todo = CopyPlan.For(plan, session.Tables, _refused.Keys.ToHashSet(), _done);
        foreach (var table in todo.Forgotten)
            await session.ForgetTableAsync(table, cancellationToken).ConfigureAwait(false);
        context.Holds(session.Tables.Keys.Concat(routes.Keys).ToHashSet());
        await StopDriftedAsync(session, plan, cancellationToken).ConfigureAwait(false);
        await StopPausedAsync(session, plan, cancellationToken).ConfigureAwait(false);
        FinishOrders(session, plan);
        var chunked = _stopping ? [] : WantedByChunks(session, plan, todo);
        var refused = await BeginAsync(session, chunked, cancellationToken).ConfigureAwait(false);
        session.Route(Options.Follow(_transforms.Follow(routes)));
        await _finisher!.FollowAsync(routes, cancellationToken).ConfigureAwait(false);
        if (_stopping)
            return true;
        _chunks.Want(chunked);
        todo = todo with { Copies = [.. todo.Copies.Where(c => !refused.Contains(c.Table.Source) && chunked.All(w => w.Table.Source != c.Table.Source))] };
        if (todo.Copies.Count == 0 && todo.Adoptions.Count == 0)
            return true;

        // The lane becomes a hold on the slot before the snapshot is taken: changes after it are found again by catching up, or are in the spill log.
        if (context.Spill is not { IsWriting: true })
            Hub.Detach(Lane);
        await session.RollbackAsync(cancellationToken).ConfigureAwait(false);
        var copier = new TableCopier(context, session, _transforms, time);
        foreach (var (table, order, error) in await copier.RunAsync(todo, plan, cancellationToken).ConfigureAwait(false))
        {
            if (error is not null)
            {
                if (plan.Tables.FirstOrDefault(t => t.Source == table) is { Route: not null } planned)
                    Refuse(planned);
                await StopOutdatedAsync(session, plan, table, error, cancellationToken).ConfigureAwait(false);
            }

            if (order is { } answered)
            {
                if (error is null)
                    Status.Change(table, t => t with { LastResync = new ResyncReport(answered.RequestId, 0, t.SnapshotRows, t.SnapshotRows, 0, 0) });
                Answer(table, answered, error);
            }
        }

        await SkipToSnapshotAsync(session, plan, cancellationToken).ConfigureAwait(false);
        // What the copier has left is wanted by chunks now.
        return !copier.IsUnfinished;
    }

    /// <summary>
    /// Tables that are copied beside the stream. Not those whose rows another transform made: what of them must not stay goes only when all of them do. Nor those of a
    /// destination that has none yet: its first copy is one snapshot of all.
    /// A resync of the whole pipeline begins with none, but the rows are there: what differs is brought, and nobody sees an empty table.
    /// </summary>
    List<WantedCopy> WantedByChunks(IDestinationSession session, DestinationPlan plan, CopyPlan todo)
    {
        var isFirst = !session.Tables.Values.Any(t => t.Since is not null);
        var wanted = todo.Copies
            .Where(c => (!isFirst || OrderOf(c.Table.Source) is not null) && IsMadeAlike(c.Table) && !_chunks!.IsUnfit(c.Table.Source) && c.Table.Description is not { PrimaryKey.Count: 0 })
            .Select(c => new WantedCopy(c.Table, c.EmptyFirst, !IsReplacing(c.Table.Source) || IsOtherwise(c.Table), OrderOf(c.Table.Source))).ToList();
        wanted.AddRange(plan.Tables
            .Where(t => t is { Route: not null, Paused: false } && IsMadeAlike(t) && session.Tables.GetValueOrDefault(t.Source) is { Copying: not null, Stop: null } && wanted.All(w => w.Table.Source != t.Source))
            .Select(t => new WantedCopy(t, IsReplacing(t.Source), false, OrderOf(t.Source))));
        return wanted;

        bool IsMadeAlike(PlannedTable table) => table.Route?.Transform is null || session.Tables.GetValueOrDefault(table.Source) is not { Since: not null } || !IsOtherwise(table);

        bool IsOtherwise(PlannedTable table) => session.Tables.GetValueOrDefault(table.Source)?.Transform != table.Route!.Fingerprint;

        bool IsReplacing(TableName table) => session.Tables.GetValueOrDefault(table) is { Stop: null, Copying.Replaces: true };

        ResyncOrder? OrderOf(TableName table) => plan.Resync.TryGetValue(table, out var order) && !_done.Contains((table, order.RequestId)) ? order : null;
    }

    /// <summary>
    /// A table that streams, and whose rows are to be made otherwise, is in its copy before the first change comes by its new route: columns that were not
    /// wanted until now are there then, and what the chunks bring completes the rows that have come meanwhile.
    /// </summary>
    /// <returns>Those that cannot be copied as they are.</returns>
    async Task<HashSet<TableName>> BeginAsync(IDestinationSession session, List<WantedCopy> wanted, CancellationToken cancellationToken)
    {
        var refused = new HashSet<TableName>();
        var changed = wanted.Where(w => w is { Restart: true, Replace: true } && session.Tables.GetValueOrDefault(w.Table.Source) is { Streams: true } known && known.Transform != w.Table.Route!.Fingerprint).ToList();
        foreach (var copy in changed)
        {
            wanted.Remove(copy);
            switch (await _chunks!.BeginAsync(copy, cancellationToken).ConfigureAwait(false))
            {
                case CopyBeginning.Begun:
                    wanted.Add(copy with { Restart = false });
                    break;
                case CopyBeginning.Refused:
                    refused.Add(copy.Table.Source);
                    break;
            }
        }

        return refused;
    }

    void Refuse(PlannedTable table) => ImmutableInterlocked.Update(ref _refused, (set, t) => set.SetItem(t.Source, t.Route!), table);

    void Answer(TableName table, ResyncOrder order, string? error)
    {
        ImmutableInterlocked.Update(ref _done, (set, d) => set.Add(d), (table, order.RequestId));
        context.ResyncDone(table, order, error);
    }

    /// <summary>A table that left its publication for a while lost changes: it stops, stored at the destination, until it is copied again.</summary>
    async Task StopDriftedAsync(IDestinationSession session, DestinationPlan plan, CancellationToken cancellationToken)
    {
        foreach (var (table, reason) in plan.Drifts)
        {
            if (!context.DriftsHandled.Add((table, reason)) || !session.Tables.TryGetValue(table, out var known) || !known.Streams)
                continue;
            var stop = new TableStop(
                new Position(Lane.Passed, 0), null, null, $"Changes of this table were lost at the source: {reason}",
                $"POST /pipelines/{context.PipelineId}/destinations/{context.DestinationId}/tables/{table}/resync copies it again.");
            await session.StopTableAsync(table, stop, cancellationToken).ConfigureAwait(false);
        }

        if (plan.Drifts.Count > 0)
        {
            ShowTables(session, plan);
            context.DriftsStored(plan);
        }
    }

    /// <summary>What comes while a table is paused passes it by, so that it is stored as stopped: only a copy makes it stream again.</summary>
    async Task StopPausedAsync(IDestinationSession session, DestinationPlan plan, CancellationToken cancellationToken)
    {
        foreach (var table in plan.Tables.Where(t => t.Paused && session.Tables.GetValueOrDefault(t.Source) is { Stop: null }))
        {
            var stop = new TableStop(new Position(Lane.Passed, 0), null, null, "It was paused by an operator.", ResumeRemedy(table.Source));
            await session.StopTableAsync(table.Source, stop, cancellationToken).ConfigureAwait(false);
        }
    }

    string ResumeRemedy(TableName table) =>
        $"POST /pipelines/{context.PipelineId}/destinations/{context.DestinationId}/tables/{table}/resume copies it again and goes on.";

    /// <summary>A table whose rows were made by another transform than is asked for now does not go on with them when it could not be copied again.</summary>
    async Task StopOutdatedAsync(IDestinationSession session, DestinationPlan plan, TableName table, string error, CancellationToken cancellationToken)
    {
        var route = plan.Tables.FirstOrDefault(t => t.Source == table)?.Route;
        if (route is null || !session.Tables.TryGetValue(table, out var known) || !known.Streams || known.Transform == route.Fingerprint)
            return;
        var remedy = Status.Of(table)?.Remedy ?? $"POST /pipelines/{context.PipelineId}/destinations/{context.DestinationId}/tables/{table}/resync copies it again.";
        await session.StopTableAsync(table, new TableStop(new Position(Lane.Passed, 0), null, null, error, remedy), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Nothing between the lane's position and the oldest copy concerns it: it need not be read.</summary>
    async Task SkipToSnapshotAsync(IDestinationSession session, DestinationPlan plan, CancellationToken cancellationToken)
    {
        var oldest = Lsn.Max;
        foreach (var table in plan.Tables)
        {
            if (table.Route is not null && session.Tables.TryGetValue(table.Source, out var known) && known is { Streams: true, Since: { } since })
                oldest = Lsn.Min(oldest, since);
        }

        if (oldest == Lsn.Max || oldest <= Lane.Passed)
            return;
        await session.AdvanceAsync(oldest, cancellationToken).ConfigureAwait(false);
        context.Stored(session.Position);
        Lane.Pass(oldest);
    }

    /// <summary>From the spill log as long as it has something, then from the source's stream.</summary>
    async Task StreamAsync(LanePump pump, LaneFeed feed, CancellationToken interrupt, CancellationToken cancellationToken)
    {
        if (context.Spill is not { } spill)
        {
            await feed.RunAsync(interrupt, cancellationToken).ConfigureAwait(false);
            return;
        }

        if (spill.IsWanted)
        {
            await new SpillDrain(context, spill, pump, time).RunAsync(interrupt, cancellationToken).ConfigureAwait(false);
            return;
        }

        using var hold = await spill.EnterAsync(interrupt, cancellationToken).ConfigureAwait(false);
        if (hold is not null && !spill.IsWanted)
            await feed.RunAsync(interrupt, cancellationToken).ConfigureAwait(false);
    }

    void Applied(ApplyResult result, long bytes, TimeSpan took)
    {
        Status.Count(result);
        Status.AppliedUpTo(Lane.Passed);
        context.Metrics.Applied(result, bytes, took);
    }

    void ShowTables(IDestinationSession session, DestinationPlan plan)
    {
        Status.Keep(plan.Tables.Select(t => t.Source).ToHashSet());
        foreach (var table in plan.Tables)
        {
            var known = session.Tables.GetValueOrDefault(table.Source);
            var shown = TableProgress.Of(table, TableProgress.StateOf(table, known, Lane.Passed));
            if (known?.Stop is { } stop)
                shown = shown with { Error = stop.Describe(), Remedy = stop.Remedy };
            if (known is not null)
                shown = shown with { SnapshotRows = known.CopiedRows, Since = known.Since };
            if (known is { Since: not null, Copying: null })
                shown = shown with { SnapshotRowsEstimated = known.CopiedRows };
            if (known is { Stop: null, Missing: { } missing })
                shown = shown with { Error = missing.Reason, Remedy = missing.Remedy };
            if (table.Paused)
                shown = shown with { Error = null, Remedy = ResumeRemedy(table.Source) };
            if (known is null && Status.Of(table.Source) is { State: TableState.Error } before && _refused.ContainsKey(table.Source))
                shown = before;
            Status.Set(shown);
        }
    }

    void ShowStreaming(IDestinationSession session)
    {
        if (context.Plans[context.DestinationId] is { } plan)
            ShowTables(session, plan);
        Status.AppliedUpTo(Lane.Passed);
        Status.Succeeded();
    }

    /// <summary>An order whose table was copied by an earlier incarnation, or needs nothing, is answered.</summary>
    void FinishOrders(IDestinationSession session, DestinationPlan plan)
    {
        foreach (var (table, order) in plan.Resync)
        {
            var planned = plan.Tables.FirstOrDefault(t => t.Source == table);
            var nothingToDo = planned is null or { Route: null } or { Paused: true }
                || (!order.Force && session.Tables.TryGetValue(table, out var known) && known.Streams);
            if (nothingToDo && !_done.Contains((table, order.RequestId)))
                Answer(table, order, planned is { Paused: true } ? "It is paused at this destination." : planned?.Error);
        }
    }
}
