using System.Collections.Immutable;
using Rosetta.Actors.Replication;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Options;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Store.Runtime;
using Rosetta.Transforms.Rewriting;

namespace Rosetta.Actors.Destinations;

/// <summary>
/// What the plan asks of the tables of one open destination: each is copied, adopted, stopped or forgotten before the lane streams on, or copied in chunks beside the stream.
/// </summary>
sealed class LaneTables : IAsyncDisposable
{
    readonly LaneContext _context;
    readonly IDestinationSession _session;
    readonly LaneTransforms _transforms;
    readonly LaneOptions _options;
    readonly TimeProvider _time;
    readonly TableStops _stops;
    readonly TableFinisher _finisher;
    ImmutableDictionary<TableName, TableRoute> _refused = ImmutableDictionary<TableName, TableRoute>.Empty;
    ImmutableHashSet<(TableName Table, long RequestId)> _done = [];

    /// <param name="replan">Told when the plan is to be followed again, since a copy beside the stream got somewhere.</param>
    public LaneTables(LaneContext context, IDestinationSession session, LandingGate landing, LaneTransforms transforms, LaneOptions options, Action replan, TimeProvider time)
    {
        (_context, _session, _transforms, _options, _time) = (context, session, transforms, options, time);
        _stops = new TableStops(context, session);
        Chunks = new ChunkedCopies(context with { Refused = Refuse, ResyncDone = Answer }, session, landing, transforms, replan, time);
        _finisher = new TableFinisher(context, session, time);
        _finisher.Start();
    }

    /// <summary>What is copied beside the stream.</summary>
    public ChunkedCopies Chunks { get; }

    public async ValueTask DisposeAsync()
    {
        await _finisher.DisposeAsync().ConfigureAwait(false);
        await Chunks.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Copies, adopts and forgets what the plan asks for. False: the plan changed meanwhile or a copy has to be tried again.</summary>
    /// <param name="copying">Told when the lane waits for a copy.</param>
    public async Task<bool> FollowAsync(DestinationPlan plan, bool stopping, Action copying, CancellationToken cancellationToken)
    {
        var routes = plan.Tables.Where(t => t.Route is not null && !t.Paused).ToDictionary(t => t.Source, t => t.Route!);
        // Before anything is forgotten: what a table's changed choice has called off may still be landing.
        await Chunks.KeepAsync(routes).ConfigureAwait(false);
        foreach (var (table, route) in _refused.Where(r => !r.Value.IsSameAs(routes.GetValueOrDefault(r.Key))))
            ImmutableInterlocked.TryRemove(ref _refused, table, out _);
        Show(plan);
        var todo = CopyPlan.For(plan, _session.Tables, _refused.Keys.ToHashSet(), _done);
        foreach (var table in todo.Forgotten)
        {
            await _session.ForgetTableAsync(table, cancellationToken).ConfigureAwait(false);
            Failpoint.Hit(FailpointNames.ChoiceTableForgotten);
        }

        _context.Holds(_session.Tables.Keys.Concat(routes.Keys).ToHashSet());
        await _stops.StopDriftedAsync(plan, cancellationToken).ConfigureAwait(false);
        if (plan.Drifts.Count > 0)
        {
            Show(plan);
            _context.DriftsStored(plan);
        }

        await _stops.StopPausedAsync(plan, cancellationToken).ConfigureAwait(false);
        FinishOrders(plan);
        var chunked = stopping ? [] : WantedCopies.Of(plan, _session.Tables, todo, _done, Chunks.IsUnfit);
        var refused = await BeginAsync(chunked, cancellationToken).ConfigureAwait(false);
        _session.Route(_options.Follow(_transforms.Follow(routes)));
        await _finisher.FollowAsync(routes, cancellationToken).ConfigureAwait(false);
        if (stopping)
            return true;
        Chunks.Want(chunked);
        todo = todo with { Copies = [.. todo.Copies.Where(c => !refused.Contains(c.Table.Source) && chunked.All(w => w.Table.Source != c.Table.Source))] };
        if (todo.Copies.Count == 0 && todo.Adoptions.Count == 0)
            return true;

        copying();
        // The lane becomes a hold on the slot before the snapshot is taken: changes after it are found again by catching up, or are in the spill log.
        if (_context.Spill is not { IsWriting: true })
            _context.Hub.Detach(_context.Lane);
        await _session.RollbackAsync(cancellationToken).ConfigureAwait(false);
        var copier = new TableCopier(_context, _session, _transforms, _time);
        foreach (var (table, order, error) in await copier.RunAsync(todo, plan, cancellationToken).ConfigureAwait(false))
        {
            if (error is not null)
            {
                if (plan.Tables.FirstOrDefault(t => t.Source == table) is { Route: not null } planned)
                    Refuse(planned);
                await _stops.StopOutdatedAsync(plan, table, error, cancellationToken).ConfigureAwait(false);
            }

            if (order is { } answered)
            {
                if (error is null)
                    _context.Status.Change(table, t => t with { LastResync = new ResyncReport(answered.RequestId, 0, t.SnapshotRows, t.SnapshotRows, 0, 0) });
                Answer(table, answered, error);
            }
        }

        await SkipToSnapshotAsync(plan, cancellationToken).ConfigureAwait(false);
        // What the copier has left is wanted by chunks now.
        return !copier.IsUnfinished;
    }

    /// <summary>
    /// A table that streams, and whose rows are to be made otherwise, is in its copy before the first change comes by its new route: columns that were not
    /// wanted until now are there then, and what the chunks bring completes the rows that have come meanwhile.
    /// </summary>
    /// <returns>Those that cannot be copied as they are.</returns>
    async Task<HashSet<TableName>> BeginAsync(List<WantedCopy> wanted, CancellationToken cancellationToken)
    {
        var refused = new HashSet<TableName>();
        var changed = wanted.Where(w => w is { Restart: true, Replace: true } && _session.Tables.GetValueOrDefault(w.Table.Source) is { Streams: true } known && known.Transform != w.Table.Route!.Fingerprint).ToList();
        foreach (var copy in changed)
        {
            wanted.Remove(copy);
            switch (await Chunks.BeginAsync(copy, cancellationToken).ConfigureAwait(false))
            {
                case CopyBeginning.Begun:
                    Failpoint.Hit(FailpointNames.ChoiceCopyBegun);
                    wanted.Add(copy with { Restart = false });
                    break;
                case CopyBeginning.Refused:
                    refused.Add(copy.Table.Source);
                    break;
            }
        }

        return refused;
    }

    /// <summary>Nothing between the lane's position and the oldest copy concerns it: it need not be read.</summary>
    async Task SkipToSnapshotAsync(DestinationPlan plan, CancellationToken cancellationToken)
    {
        var oldest = Lsn.Max;
        foreach (var table in plan.Tables)
        {
            if (table.Route is not null && _session.Tables.TryGetValue(table.Source, out var known) && known is { Streams: true, Since: { } since })
                oldest = Lsn.Min(oldest, since);
        }

        if (oldest == Lsn.Max || oldest <= _context.Lane.Passed)
            return;
        await _session.AdvanceAsync(oldest, cancellationToken).ConfigureAwait(false);
        _context.Stored(_session.Position);
        _context.Lane.Pass(oldest);
    }

    /// <summary>The state of each table, as the destination stores it and as far as the lane is.</summary>
    public void Show(DestinationPlan plan)
    {
        _context.Status.Keep(plan.Tables.Select(t => t.Source).ToHashSet());
        foreach (var table in plan.Tables)
        {
            var known = _session.Tables.GetValueOrDefault(table.Source);
            var shown = TableProgress.Of(table, TableProgress.StateOf(table, known, _context.Lane.Passed));
            if (known?.Stop is { } stop)
                shown = shown with { Error = stop.Describe(), Remedy = stop.Remedy };
            if (known is not null)
                shown = shown with { SnapshotRows = known.CopiedRows, Since = known.Since };
            if (known is { Since: not null, Copying: null })
                shown = shown with { SnapshotRowsEstimated = known.CopiedRows };
            if (known is { Stop: null, Missing: { } missing })
                shown = shown with { Error = missing.Reason, Remedy = missing.Remedy };
            if (table.Paused)
                shown = shown with { Error = null, Remedy = _stops.ResumeRemedy(table.Source) };
            if (known is null && _context.Status.Of(table.Source) is { State: TableState.Error } before && _refused.ContainsKey(table.Source))
                shown = before;
            _context.Status.Set(shown);
        }
    }

    /// <summary>An order whose table was copied by an earlier incarnation, or needs nothing, is answered.</summary>
    void FinishOrders(DestinationPlan plan)
    {
        foreach (var (table, order) in plan.Resync)
        {
            var planned = plan.Tables.FirstOrDefault(t => t.Source == table);
            var nothingToDo = planned is null or { Route: null } or { Paused: true }
                || (!order.Force && _session.Tables.TryGetValue(table, out var known) && known.Streams);
            if (nothingToDo && !_done.Contains((table, order.RequestId)))
                Answer(table, order, planned is { Paused: true } ? "It is paused at this destination." : planned?.Error);
        }
    }

    void Refuse(PlannedTable table) => ImmutableInterlocked.Update(ref _refused, (set, t) => set.SetItem(t.Source, t.Route!), table);

    void Answer(TableName table, ResyncOrder order, string? error)
    {
        ImmutableInterlocked.Update(ref _done, (set, d) => set.Add(d), (table, order.RequestId));
        _context.ResyncDone(table, order, error);
    }
}
