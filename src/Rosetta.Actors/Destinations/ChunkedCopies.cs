using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Transforms.Rewriting;

namespace Rosetta.Actors.Destinations;

/// <summary>A table to be copied by chunks.</summary>
/// <param name="Replace">Rows that are at the destination may be changed and deleted.</param>
/// <param name="Restart">What an earlier copy has done does not count.</param>
sealed record WantedCopy(PlannedTable Table, bool Replace, bool Restart, Replication.ResyncOrder? Order);

/// <summary>How <see cref="ChunkedCopies.BeginAsync"/> ended.</summary>
enum CopyBeginning
{
    Begun,

    /// <summary>The table is copied in one snapshot.</summary>
    Unfit,

    /// <summary>It cannot be copied as it is, which has been recorded.</summary>
    Refused,
}

/// <summary>
/// Copies tables by chunks beside a lane that streams, and does jobs on those that do, one after the other. Lives as long as the destination's session.
/// </summary>
sealed class ChunkedCopies(
    LaneContext context, IDestinationSession session, LandingGate gate, LaneTransforms transforms, Action changed, TimeProvider time) : IAsyncDisposable
{
    readonly Lock _gate = new();
    readonly CancellationTokenSource _stop = new();
    readonly List<WantedCopy> _wanted = [];
    readonly List<ChunkJob> _jobs = [];
    readonly HashSet<TableName> _known = [];
    readonly List<TableName> _pending = [];
    readonly Dictionary<TableName, TableRoute> _unfit = [];
    Task _running = Task.CompletedTask;
    Current? _current;
    bool _isRunning;
    volatile Exception? _failure;

    /// <summary>Why it ended: the session is of no use any more.</summary>
    public Exception? Failure => _failure;

    /// <summary>The table has turned out to be one that is copied in one snapshot.</summary>
    public bool IsUnfit(TableName table)
    {
        lock (_gate)
            return _unfit.ContainsKey(table);
    }

    /// <summary>Adds what is not under way yet.</summary>
    public void Want(IReadOnlyList<WantedCopy> copies)
    {
        lock (_gate)
        {
            foreach (var copy in copies.Where(c => _known.Add(c.Table.Source)))
                _wanted.Add(copy);
            Begin();
        }
    }

    /// <summary>Adds a job, which waits until no table waits for its copy.</summary>
    public void Add(ChunkJob job)
    {
        lock (_gate)
        {
            _jobs.Add(job);
            Begin();
        }
    }

    /// <summary>
    /// Calls off what is about tables that are not chosen any more, go elsewhere or are made otherwise, and waits for its end; what has landed stays. Not while
    /// the lane's pump runs.
    /// </summary>
    public async Task KeepAsync(IReadOnlyDictionary<TableName, TableRoute> routes)
    {
        var ended = Task.CompletedTask;
        lock (_gate)
        {
            foreach (var copy in _wanted.Where(c => !IsKept(c.Table.Route!)).ToList())
            {
                _wanted.Remove(copy);
                _known.Remove(copy.Table.Source);
            }

            foreach (var route in _unfit.Values.Where(r => !IsKept(r)).ToList())
                _unfit.Remove(route.Source);
            if (_current is { Route: { } about } current && !IsKept(about))
            {
                current.Cut.Cancel();
                ended = current.Ended.Task;
            }
        }

        await ended.ConfigureAwait(false);

        bool IsKept(TableRoute route) => route.IsSameAs(routes.GetValueOrDefault(route.Source));
    }

    /// <summary>Stores at the destination that a table's copy has begun anew. Its chunks come when it is wanted; not while the lane's pump runs.</summary>
    public async Task<CopyBeginning> BeginAsync(WantedCopy copy, CancellationToken cancellationToken)
    {
        try
        {
            await using var source = await context.Source.OpenChunksAsync(context.DestinationId, cancellationToken).ConfigureAwait(false);
            if (await new ChunkedCopyRun(context, session, gate, source, transforms, copy, time).BeginAsync(cancellationToken).ConfigureAwait(false))
                return CopyBeginning.Begun;
            lock (_gate)
                _unfit[copy.Table.Source] = copy.Table.Route!;
            return CopyBeginning.Unfit;
        }
        catch (Exception e) when (ErrorPolicy.Classify(e) is ErrorClass.Table or ErrorClass.Data)
        {
            await RefuseAsync(copy, e, cancellationToken).ConfigureAwait(false);
            return CopyBeginning.Refused;
        }
    }

    /// <summary>Adds tables that stream and have keys to be read again.</summary>
    public void Read(IReadOnlySet<TableName> pending)
    {
        lock (_gate)
        {
            foreach (var table in pending.Where(t => !_pending.Contains(t)))
                _pending.Add(table);
            Begin();
        }
    }

    void Begin()
    {
        if (_isRunning || _failure is not null || _wanted.Count + _jobs.Count + _pending.Count == 0)
            return;
        _isRunning = true;
        _running = Task.Run(RunAsync, CancellationToken.None);
    }

    /// <summary>What is done next: keys that are to be read again, a copy, or a job; null when there is nothing.</summary>
    Current? Next()
    {
        lock (_gate)
        {
            if (_pending.Count > 0)
            {
                var table = _pending[0];
                _pending.RemoveAt(0);
                return _current = new Current(null, null, table, RouteOf(table), CancellationTokenSource.CreateLinkedTokenSource(_stop.Token));
            }

            if (_wanted.Count > 0)
            {
                var copy = _wanted[0];
                _wanted.RemoveAt(0);
                return _current = new Current(copy, null, null, copy.Table.Route, CancellationTokenSource.CreateLinkedTokenSource(_stop.Token));
            }

            if (_jobs.Count > 0)
            {
                var job = _jobs[0];
                _jobs.RemoveAt(0);
                return _current = new Current(null, job, null, RouteOf(job.Table), CancellationTokenSource.CreateLinkedTokenSource(_stop.Token));
            }

            _isRunning = false;
            return null;
        }
    }

    TableRoute? RouteOf(TableName table) => context.Plans[context.DestinationId]?.Tables.FirstOrDefault(t => t.Source == table)?.Route;

    async Task RunAsync()
    {
        IChunkSource? source = null;
        try
        {
            while (Next() is { } current)
            {
                using var cut = current.Cut;
                try
                {
                    source ??= await OpenSourceAsync().ConfigureAwait(false);
                    if (await IsThroughAsync(source, current).ConfigureAwait(false))
                        continue;
                    // A read that was broken off may have taken its connection along.
                    await source.DisposeAsync().ConfigureAwait(false);
                    source = null;
                }
                finally
                {
                    lock (_gate)
                        _current = null;
                    current.Ended.SetResult();
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The session ends; what has landed is stored.
        }
        catch (Exception e)
        {
            _failure = e;
            changed();
        }
        finally
        {
            if (source is not null)
                await source.DisposeAsync().ConfigureAwait(false);
        }
    }

    async Task<IChunkSource> OpenSourceAsync()
    {
        var source = await context.Source.OpenChunksAsync(context.DestinationId, _stop.Token).ConfigureAwait(false);
        session.Streamed.Suspect(await source.FindSuspectsAsync(_stop.Token).ConfigureAwait(false));
        return source;
    }

    /// <summary>False: it was called off while it was read.</summary>
    async Task<bool> IsThroughAsync(IChunkSource source, Current current)
    {
        var job = current.Job is { } asked ? new ChunkJobRun(context, session, gate, source, transforms, asked, time) : null;
        try
        {
            if (job is not null)
                return await job.RunAsync(current.Cut.Token).ConfigureAwait(false);
            if (current.Keys is { } table)
                await new PendingKeysRun(context, session, gate, source, transforms, table, time).RunAsync(current.Cut.Token).ConfigureAwait(false);
            else
                await RunAsync(source, current.Copy!, current.Cut.Token).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException) when (current.Cut.IsCancellationRequested && !_stop.IsCancellationRequested)
        {
            job?.CallOff();
            if (current.Copy is { } copy)
            {
                lock (_gate)
                    _known.Remove(copy.Table.Source);
            }

            return false;
        }
    }

    async Task RunAsync(IChunkSource source, WantedCopy copy, CancellationToken cancellationToken)
    {
        var table = copy.Table.Source;
        try
        {
            var fits = await new ChunkedCopyRun(context, session, gate, source, transforms, copy, time).RunAsync(cancellationToken).ConfigureAwait(false);
            if (fits && copy.Order is { } order)
                context.ResyncDone(table, order, null);
            lock (_gate)
            {
                _known.Remove(table);
                if (!fits)
                    _unfit[table] = copy.Table.Route!;
            }
        }
        catch (Exception e) when (ErrorPolicy.Classify(e) is ErrorClass.Table or ErrorClass.Data)
        {
            await RefuseAsync(copy, e, cancellationToken).ConfigureAwait(false);
            lock (_gate)
                _known.Remove(table);
        }

        changed();
    }

    async Task RefuseAsync(WantedCopy copy, Exception error, CancellationToken cancellationToken)
    {
        var table = copy.Table.Source;
        var fault = ErrorPolicy.ToFault(error, $"Mend the cause, then resync the table: POST .../tables/{table}/resync.");
        if (session.Tables.ContainsKey(table))
        {
            await session.StopTableAsync(
                table, new TableStop(new Position(context.Lane.Passed, 0), null, fault.SqlState, fault.Reason, fault.Remedy ?? ""), cancellationToken).ConfigureAwait(false);
        }

        context.Status.Change(table, t => t with { State = TableState.Error, Error = fault.Reason, Remedy = fault.Remedy });
        context.Refused(copy.Table);
        if (copy.Order is { } order)
            context.ResyncDone(table, order, fault.Reason);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        _stop.Dispose();
    }

    /// <summary>What is under way: a copy, a job, or the pending keys of a table.</summary>
    /// <param name="Route">Of its table; null when a job's has none.</param>
    sealed record Current(WantedCopy? Copy, ChunkJob? Job, TableName? Keys, TableRoute? Route, CancellationTokenSource Cut)
    {
        public TaskCompletionSource Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
