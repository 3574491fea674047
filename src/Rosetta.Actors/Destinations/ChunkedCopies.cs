using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Destinations;

/// <summary>A table to be copied by chunks.</summary>
/// <param name="Replace">Rows that are at the destination may be changed and deleted.</param>
/// <param name="Restart">What an earlier copy has done does not count.</param>
sealed record WantedCopy(PlannedTable Table, bool Replace, bool Restart, Replication.ResyncOrder? Order);

/// <summary>
/// Copies tables by chunks beside a lane that streams, and does jobs on those that do, one after the other. Lives as long as the destination's session.
/// </summary>
sealed class ChunkedCopies(LaneContext context, IDestinationSession session, LandingGate gate, Action changed, TimeProvider time) : IAsyncDisposable
{
    readonly Lock _gate = new();
    readonly CancellationTokenSource _stop = new();
    readonly List<WantedCopy> _wanted = [];
    readonly List<ChunkJob> _jobs = [];
    readonly HashSet<TableName> _known = [];
    readonly HashSet<TableName> _unfit = [];
    Task _running = Task.CompletedTask;
    bool _isRunning;
    volatile Exception? _failure;

    /// <summary>Why it ended: the session is of no use any more.</summary>
    public Exception? Failure => _failure;

    /// <summary>The table has turned out to be one that is copied in one snapshot.</summary>
    public bool IsUnfit(TableName table)
    {
        lock (_gate)
            return _unfit.Contains(table);
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

    void Begin()
    {
        if (_isRunning || _failure is not null || _wanted.Count + _jobs.Count == 0)
            return;
        _isRunning = true;
        _running = Task.Run(RunAsync, CancellationToken.None);
    }

    /// <summary>What is done next: a copy, or a job; neither when there is nothing.</summary>
    (WantedCopy? Copy, ChunkJob? Job) Next()
    {
        lock (_gate)
        {
            if (_wanted.Count > 0)
            {
                var copy = _wanted[0];
                _wanted.RemoveAt(0);
                return (copy, null);
            }

            if (_jobs.Count > 0)
            {
                var job = _jobs[0];
                _jobs.RemoveAt(0);
                return (null, job);
            }

            _isRunning = false;
            return (null, null);
        }
    }

    async Task RunAsync()
    {
        try
        {
            await using var source = await context.Source.OpenChunksAsync(context.DestinationId, _stop.Token).ConfigureAwait(false);
            session.Streamed.Suspect(await source.FindSuspectsAsync(_stop.Token).ConfigureAwait(false));
            while (Next() is var (copy, job) && (copy is not null || job is not null))
            {
                if (copy is not null)
                    await RunAsync(source, copy).ConfigureAwait(false);
                else
                    await new ChunkJobRun(context, session, gate, source, job!, time).RunAsync(_stop.Token).ConfigureAwait(false);
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
    }

    async Task RunAsync(IChunkSource source, WantedCopy copy)
    {
        var table = copy.Table.Source;
        try
        {
            var fits = await new ChunkedCopyRun(context, session, gate, source, copy, time).RunAsync(_stop.Token).ConfigureAwait(false);
            if (fits && copy.Order is { } order)
                context.ResyncDone(table, order, null);
            lock (_gate)
            {
                _known.Remove(table);
                if (!fits)
                    _unfit.Add(table);
            }
        }
        catch (Exception e) when (ErrorPolicy.Classify(e) is ErrorClass.Table or ErrorClass.Data)
        {
            var fault = ErrorPolicy.ToFault(e, $"Mend the cause, then resync the table: POST .../tables/{table}/resync.");
            if (session.Tables.ContainsKey(table))
            {
                await session.StopTableAsync(
                    table, new TableStop(new Position(context.Lane.Passed, 0), null, fault.SqlState, fault.Reason, fault.Remedy ?? ""), _stop.Token).ConfigureAwait(false);
            }

            context.Status.Change(table, t => t with { State = TableState.Error, Error = fault.Reason, Remedy = fault.Remedy });
            context.Refused(table);
            if (copy.Order is { } order)
                context.ResyncDone(table, order, fault.Reason);
            lock (_gate)
                _known.Remove(table);
        }

        changed();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        _stop.Dispose();
    }
}
