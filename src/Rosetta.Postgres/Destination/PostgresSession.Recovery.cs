using Rosetta.Core.DeadLetters;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Apply;
using Rosetta.Postgres.Destination.Parking;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination;

// Parked changes come back: in source order, change by change, in one transaction in which they also stop being parked. With plans of their own, since they
// have the shape that their table had then.
sealed partial class PostgresSession
{
    readonly PlanBook _lateBook = new() { Replaces = true };
    readonly ApplyMemory _lateMemory = new();
    GroupApplier? _late;

    public Task<ParkedCount> CountParkedAsync(CancellationToken cancellationToken) =>
        OnOwnConnectionAsync(async connection => await ParkedSql.CountAsync(connection, _row, cancellationToken), cancellationToken);

    public Task<IReadOnlyList<ParkedGroup>> ListParkedAsync(TableName table, int most, CancellationToken cancellationToken) => OnOwnConnectionAsync(
        async connection =>
        {
            var isWhole = Parked.GetValueOrDefault(table);
            var entries = await ParkedSql.ListAsync(connection, _row, table, isWhole ? most : null, cancellationToken);
            return isWhole && entries.Count > 0 ? [new ParkedGroup(table, [.. entries.Select(e => e.At)], true)] : ParkedGroups.Of(table, entries);
        }, cancellationToken);

    public Task<IReadOnlyList<Position>> FindParkedAsync(TableName table, IReadOnlyList<Position> at, CancellationToken cancellationToken) => OnOwnConnectionAsync(
        async connection => ParkedSql.Positions(await connection.QueryAsync(ParkedSql.FindSql(_row, table, at), cancellationToken)), cancellationToken);

    public Task<RecoveryOutcome> RecoverAsync(TableName table, IReadOnlyList<DeadLetter> letters, bool isTrial, CancellationToken cancellationToken) =>
        BetweenGroupsAsync(lot => RecoverAsync(lot, table, letters, isTrial, cancellationToken), cancellationToken);

    public Task<IReadOnlyList<Position>> DiscardAsync(TableName table, IReadOnlyList<Position> at, CancellationToken cancellationToken) => BetweenGroupsAsync<IReadOnlyList<Position>>(
        async lot =>
        {
            var taken = await TakeAsync(table, at, cancellationToken);
            Failpoint.Hit(FailpointNames.DiscardTaken);
            await CommitLateAsync(lot, table, cancellationToken);
            return [.. taken];
        }, cancellationToken);

    public Task<EditedLetter> EditAsync(DeadLetter letter, IReadOnlyDictionary<string, string?> values, CancellationToken cancellationToken) =>
        OnOwnConnectionAsync(connection => ParkedRow.EditAsync(connection, TargetOf(letter.Table), letter, values, cancellationToken), cancellationToken);

    public Task<RowThere> FindRowAsync(DeadLetter letter, CancellationToken cancellationToken) =>
        OnOwnConnectionAsync(connection => ParkedRow.FindAsync(connection, TargetOf(letter.Table), letter, cancellationToken), cancellationToken);

    /// <summary>Works in a transaction of its own on the stream's connection; on an exception whatever was begun is rolled back.</summary>
    async Task<T> BetweenGroupsAsync<T>(Func<ParkingLot, ValueTask<T>> work, CancellationToken cancellationToken)
    {
        var lot = _lot ?? throw new InvalidOperationException("Nothing is parked here.");
        await _gate.WaitAsync(cancellationToken);
        try
        {
            // The open transaction is the stream's: it is left alone.
            if (_open is not null)
                throw new InvalidOperationException("Parked changes cannot be taken out inside an open transaction.");
            try
            {
                await RefreshAsync(cancellationToken);
                _context.Begin();
                await _context.Line.DrainAsync(cancellationToken);
                return await work(lot);
            }
            catch
            {
                await ForgetLateAsync();
                throw;
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    async ValueTask<RecoveryOutcome> RecoverAsync(ParkingLot lot, TableName table, IReadOnlyList<DeadLetter> letters, bool isTrial, CancellationToken cancellationToken)
    {
        var there = await TakeAsync(table, [.. letters.Select(l => l.At)], cancellationToken);
        var gone = letters.Where(l => !there.Contains(l.At)).Select(l => l.At).ToList();
        var rest = letters.Where(l => there.Contains(l.At)).ToList();
        try
        {
            if (rest.Count > 0)
                await ApplyLateAsync(table, rest, cancellationToken);
        }
        catch (ApplyFailure failure)
        {
            await ForgetLateAsync();
            var error = failure.InnerException as PgServerException;
            return new RecoveryOutcome(new DeadLetterFailure(error is null ? ErrorClass.Table : ErrorPolicy.Classify(error), failure.Reason, error?.SqlState), failure.At, gone);
        }

        Failpoint.Hit(FailpointNames.RecoverApplied);
        if (isTrial)
        {
            await ForgetLateAsync();
            return new RecoveryOutcome(null, null, gone);
        }

        await CommitLateAsync(lot, table, cancellationToken);
        Failpoint.Hit(FailpointNames.RecoverCommitted);
        return new RecoveryOutcome(null, null, gone);
    }

    async ValueTask CommitLateAsync(ParkingLot lot, TableName table, CancellationToken cancellationToken)
    {
        await _row.CommitAsync(_connection, cancellationToken);
        _context.Transaction.Committed();
        _lateBook.Committed();
        foreach (var pended in _lateMemory.Pended)
            SetPending(pended, true);
        _lateMemory.Clear();
        lot.Forget(table);
        await ParkedSql.LoadAsync(_connection, _row, lot, table, cancellationToken);
    }

    async ValueTask<HashSet<Position>> TakeAsync(TableName table, IReadOnlyList<Position> at, CancellationToken cancellationToken) =>
        [.. ParkedSql.Positions(await _connection.QueryAsync(ParkedSql.TakeSql(_row, table, at), cancellationToken))];

    async ValueTask ApplyLateAsync(TableName table, List<DeadLetter> letters, CancellationToken cancellationToken)
    {
        _lateBook.Routes = _routes;
        _lateBook.Stored = _stored;
        _lateBook.Catalog = Volatile.Read(ref _catalog);
        _lateMemory.Careful.Add(table);
        var late = _late ??= new GroupApplier(_context, _lateBook, _lateMemory, null);
        if (!_lateBook.Applies(table, out _, out _))
            throw new ApplyFailure(TablePlan.Skipped(ParkedChange.Decode(letters[0].Payload).Relation, table, _context.Rows), $"Table {table} does not stream to this destination: it has stopped, is paused, or was never copied.") { IsFinal = true };
        using var batch = new LateBatch(letters);
        late.Start(new ApplyGroup([batch.Changes]), Lsn.Zero);
        await late.RunAsync(cancellationToken);
        await _context.Line.DrainAsync(cancellationToken);
        if (!_context.Transaction.MayDefer)
            return;
        try
        {
            await _connection.QueryAsync("SET CONSTRAINTS ALL IMMEDIATE", cancellationToken);
        }
        catch (PgServerException e) when (FlightLine.IsOfTable(e))
        {
            throw new ApplyFailure(_lateBook.FindSource(table)!, e.Error.Text, e) { IsFinal = true };
        }
    }

    /// <summary>Whatever was begun is rolled back: the lane goes on with this session.</summary>
    async ValueTask ForgetLateAsync()
    {
        _late?.Abandon();
        if (_connection.IsBroken)
            await AbandonAsync();
        else
            await ResetAsync(CancellationToken.None);
        _lateBook.RolledBack();
        _lateMemory.Clear();
    }
}
