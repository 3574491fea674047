using Microsoft.Extensions.Logging;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Apply;
using Rosetta.Postgres.Destination.Evolution;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination;

// Applying groups. A failure that is one table's is not the caller's: the group is rolled back and applied again, first with that table in source
// order, which names the guilty change, then without the table, which is recorded as stopped in the same transaction. So a stopped table stands at
// a boundary between transactions.
sealed partial class PostgresSession
{
    const string UniqueViolation = "23505";
    const string ExclusionViolation = "23P01";

    /// <summary>What enum_recv says of an unknown label.</summary>
    const string InvalidTextRepresentation = "22P02";

    static readonly ApplyResult Nothing = new(null, new Dictionary<TableName, RowCounts>(), [], 0);

    public async ValueTask<ApplyResult> ApplyAsync(ApplyGroup group, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (_open is null && !group.IsOpenAtEnd && group.DeliveredUpTo <= Position)
                return Nothing with { Position = Position };
            RequireContinuity(group);
            var wasOpen = _open is not null;
            while (true)
            {
                try
                {
                    return await AttemptAsync(group, cancellationToken);
                }
                catch (ApplyFailure failure)
                {
                    await ResetAsync(cancellationToken);
                    await LearnAsync(failure, group, cancellationToken);
                    if (wasOpen)
                        throw new ReplayRequiredException(failure.Plan.Source, failure);
                }
            }
        }
        catch (Exception e) when (e is not ReplayRequiredException)
        {
            await AbandonAsync();
            // Whoever comes next finds out anew which changes are refused: they may be taken by then.
            _memory.Clear();
            if (e is FencedException && !_connection.IsBroken)
                await ResetAsync(cancellationToken);
            throw;
        }
        finally
        {
            _gate.Release();
        }
    }

    public async ValueTask RollbackAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            await ResetAsync(cancellationToken);
        }
        finally
        {
            _gate.Release();
        }
    }

    async ValueTask<ApplyResult> AttemptAsync(ApplyGroup group, CancellationToken cancellationToken)
    {
        _book.Routes = _routes;
        _book.Stored = _stored;
        _book.Catalog = Volatile.Read(ref _catalog);
        _book.Watches = _watches;
        _book.Lot = _lot;
        if (!_context.Transaction.IsOpen)
            await RefreshAsync(cancellationToken);
        _book.Stopping = _memory.Stopping.ToDictionary(p => p.Key, p => p.Value.Stop);
        _applier.Start(group, Position);
        NoteTransactions(group);
        if (!_context.Transaction.IsOpen)
        {
            foreach (var sql in _book.TakeCleanup())
                _context.Line.Filling.Query(sql, default);
        }

        Failpoint.Hit(FailpointNames.ApplyBegun);
        await _applier.RunAsync(cancellationToken);
        var lastCommitTime = LastCommitTime(group);
        if (group.IsOpenAtEnd)
        {
            _open = group.DeliveredUpTo;
            Failpoint.Hit(FailpointNames.ApplyOpenPiece);
            return new ApplyResult(null, _applier.Rows, [], lastCommitTime);
        }

        var stops = _memory.Stopping.ToList();
        var parked = await CommitAsync(group.DeliveredUpTo, cancellationToken);
        foreach (var (source, (target, stop)) in stops)
        {
            var before = _stored.GetValueOrDefault(source) ?? new StoredTable(new DestinationTable(source, target, null, null, 0), null);
            Store(source, before with { Table = before.Table with { Stop = stop } });
            LogStopped(_logger, source, stop.At, stop.SqlState, stop.Remedy);
        }

        return new ApplyResult(Position, _applier.Rows, [.. stops.Select(s => KeyValuePair.Create(s.Key, s.Value.Stop))], lastCommitTime) { Parked = parked };
    }

    /// <summary>Ends the transaction, if there is one, with the conditional update of the position right before the COMMIT.</summary>
    /// <returns>How many changes it skips.</returns>
    async ValueTask<int> CommitAsync(Lsn position, CancellationToken cancellationToken)
    {
        foreach (var (source, (target, stop)) in _memory.Stopping)
        {
            _context.Begin();
            _context.Line.Filling.Query(StoredTables.StopSql(_row, source, target, stop), default);
        }

        await _context.Line.DrainAsync(cancellationToken);
        if (_memory.Stopping.Count > 0)
            Failpoint.Hit(FailpointNames.TableStopRecorded);
        if (_context.Transaction is { IsOpen: true, MayDefer: true })
            await CheckConstraintsAsync(cancellationToken);
        var parked = await ParkAsync(cancellationToken);
        Failpoint.Hit(FailpointNames.ApplyBeforePosition);
        await MoveAsync(position, cancellationToken);
        _open = null;
        if (parked > 0)
            LogParked();
        _memory.Applied(failed: _lot?.Waiting.Any(e => e.Failure is not null) == true);
        _lot?.Committed();
        foreach (var source in _memory.Pended)
            SetPending(source, true);
        _memory.Clear();
        Failpoint.Hit(FailpointNames.ApplyAfterCommit);
        return parked;
    }

    async ValueTask MoveAsync(Lsn position, CancellationToken cancellationToken)
    {
        _closing.Clear();
        var isOpen = _context.Transaction.IsOpen;
        _row.WriteMove(_closing.Execute(_row.Move, 2, default), position);
        var move = _closing.Steps[^1].Operation;
        // Apart only for the failpoint between them; otherwise both go in one flight, and after a failed update the COMMIT answers ROLLBACK.
        var apart = isOpen && Failpoint.IsArmed(FailpointNames.ApplyBeforeCommit);
        if (isOpen && !apart)
            _closing.Query("COMMIT", default);
        var results = await _closing.RunAsync(cancellationToken);
        if (results[move].Error is { SqlState: PositionRow.FencedState })
            throw new FencedException(_endpoint.ToString(), _opening.Epoch);
        if (results.FirstFailed is >= 0 and var failed)
            throw CommitFailure(results[failed].Error!);
        var ctid = results[move].RequiredText(0, 0);
        if (apart)
        {
            Failpoint.Hit(FailpointNames.ApplyBeforeCommit);
            await CommitApartAsync(cancellationToken);
        }

        _row.Ctid = ctid;
        if (isOpen)
        {
            _context.Transaction.Committed();
            _book.Committed();
            await ReloadColumnsAsync(cancellationToken);
        }

        Position = position;
    }

    async ValueTask CommitApartAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _connection.QueryAsync("COMMIT", cancellationToken);
        }
        catch (PgServerException e)
        {
            throw CommitFailure(e);
        }
    }

    /// <summary>Deferred constraints are checked now, while the failing one can still be told from the COMMIT.</summary>
    async ValueTask CheckConstraintsAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _connection.QueryAsync("SET CONSTRAINTS ALL IMMEDIATE", cancellationToken);
        }
        catch (PgServerException e)
        {
            throw CommitFailure(e);
        }
    }

    Exception CommitFailure(PgServerException error) => FlightLine.IsOfTable(error) && _applier.PlanOf(error) is { } plan
        ? new ApplyFailure(plan, error.Error.Text, error)
        : new PgServerException(error.Error, error);

    async ValueTask ReloadColumnsAsync(CancellationToken cancellationToken)
    {
        if (!_context.Transaction.ChangedStates)
            return;
        _context.Transaction.ChangedStates = false;
        var stored = await StoredTables.LoadAsync(_connection, _row, cancellationToken);
        lock (_states)
            Replace(stored);
    }

    /// <summary>Rolls back whatever is open, and forgets what was queued.</summary>
    async ValueTask ResetAsync(CancellationToken cancellationToken)
    {
        await AbandonAsync();
        if (_context.Transaction.IsOpen || _connection.TransactionStatus != PgTransactionStatus.Idle)
            await _connection.QueryAsync("ROLLBACK", cancellationToken);
        _context.Transaction.RolledBack();
        _memory.Pended.Clear();
        _lot?.RolledBack();
        _book.RolledBack();
        _open = null;
    }

    async ValueTask AbandonAsync()
    {
        await _context.Line.AbandonAsync();
        _closing.Clear();
        _applier.Abandon();
    }

    /// <summary>A group may go on only in the transaction that is open here.</summary>
    void RequireContinuity(ApplyGroup group)
    {
        var open = _open;
        foreach (var batch in group.Batches)
        {
            foreach (ref readonly var span in batch.Transactions)
            {
                if (span.CommitLsn < Position)
                    continue;
                if (span.StartsHere ? open is not null : open != span.CommitLsn)
                    throw new InvalidOperationException($"Transaction {span.CommitLsn} does not follow what was applied before (open: {open?.ToString() ?? "none"}).");
                open = span.EndsHere ? null : span.CommitLsn;
            }
        }
    }

    static long LastCommitTime(ApplyGroup group)
    {
        for (var i = group.Batches.Count - 1; i >= 0; i--)
        {
            var spans = group.Batches[i].Transactions;
            for (var s = spans.Length - 1; s >= 0; s--)
                if (spans[s].EndsHere)
                    return spans[s].CommitTime;
        }

        return 0;
    }

    async ValueTask LearnAsync(ApplyFailure failure, ApplyGroup group, CancellationToken cancellationToken)
    {
        var source = failure.Plan.Source;
        var sqlState = (failure.InnerException as PgServerException)?.SqlState;
        if (sqlState is UniqueViolation or ExclusionViolation && failure is { At: null, Plan: { Mode: ApplyMode.Fold, ExactForRun: false, Target.HasOtherUnique: true } }
            && !_memory.Careful.Contains(source) && _memory.Replacing.Add(source))
        {
            LogReplacing(_logger, source, sqlState);
            return;
        }

        // The destination's table may have been changed by its owner since its plan was made.
        if (failure is { IsFinal: false, Plan.Target.Oid: > 0 } && sqlState is "08P01" or "22P03" or "22P04" or "22021" or "42703" or "42804" && _memory.Replanned.Add(source))
        {
            _book.Discard(failure.Plan);
            LogReplanning(_logger, source, sqlState);
            return;
        }

        // Where changes can be parked, short runs come first, even if the change is known.
        if (failure.IsFinal is false && (failure.At is null || (_lot is not null && GroupApplier.FailureOf(failure) is not null)) && _memory.Careful.Add(source))
        {
            if (sqlState == InvalidTextRepresentation && failure.Plan.WatchesText)
                await AddLabelsAsync(failure.Plan, cancellationToken);
            LogSearching(_logger, source, sqlState);
            return;
        }

        _memory.Careful.Remove(source);
        _memory.Stopping[source] = (TargetOf(source), await StopReport.MakeAsync(_connection, _context, failure, FirstPosition(group), cancellationToken));
    }

    /// <summary>A label that an enum got at the source is missing here; if that was not it, the search for the guilty change says so.</summary>
    async ValueTask AddLabelsAsync(TablePlan plan, CancellationToken cancellationToken)
    {
        if (await _opening.Source.DescribeAsync(plan.Source, cancellationToken) is not { } table)
            return;
        try
        {
            await _context.OnOwnConnection(connection => TypeMaker.EnsureAsync(connection, table.Types, cancellationToken).AsTask(), cancellationToken);
        }
        catch (Exception e) when (e is FaultException || (e is PgServerException server && FlightLine.IsOfTable(server)))
        {
            // Neither message quotes values of rows.
            LogLabels(_logger, plan.Source, e.Message);
        }
    }

    Position FirstPosition(ApplyGroup group)
    {
        foreach (var batch in group.Batches)
        {
            foreach (ref readonly var span in batch.Transactions)
                if (span.CommitLsn >= Position)
                    return new Position(span.CommitLsn, span.FirstOrdinal);
        }

        return new Position(Position, 0);
    }

    // The server's own words may quote values, so they are stored and shown, not logged.
    [LoggerMessage(EventId = 2211, Level = LogLevel.Warning, Message = "Applying to {Table} failed ({SqlState}); its changes are applied one by one to find the one at fault")]
    static partial void LogSearching(ILogger logger, TableName table, string? sqlState);

    [LoggerMessage(EventId = 2214, Level = LogLevel.Information, Message = "Values of a second unique constraint of {Table} move between rows ({SqlState}); from now on its updated rows are deleted and inserted")]
    static partial void LogReplacing(ILogger logger, TableName table, string sqlState);

    [LoggerMessage(EventId = 2216, Level = LogLevel.Information, Message = "Table {Table} does not take its changes in the form that it took before ({SqlState}): its columns are looked at again")]
    static partial void LogReplanning(ILogger logger, TableName table, string sqlState);

    [LoggerMessage(EventId = 2213, Level = LogLevel.Warning, Message = "The types of {Table} could not be brought in line with the source: {Reason}")]
    static partial void LogLabels(ILogger logger, TableName table, string reason);

    [LoggerMessage(EventId = 2212, Level = LogLevel.Error, Message = "Table {Table} stopped at {At} (SQLSTATE {SqlState}), the other tables go on. Remedy: {Remedy}")]
    static partial void LogStopped(ILogger logger, TableName table, Position at, string? sqlState, string remedy);
}
