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

    public Task<IReadOnlyList<ParkedGroup>> ListParkedAsync(TableName table, int most, CancellationToken cancellationToken) => OnOwnConnectionAsync(
        async connection =>
        {
            var isWhole = Parked.GetValueOrDefault(table);
            return ParkedGroups.Of(table, await ParkedSql.ListAsync(connection, _row, table, isWhole ? most : null, cancellationToken)) switch
            {
                [] => [],
                [{ } only] when isWhole => [only with { IsWhole = true }],
                var groups when isWhole => [new ParkedGroup(table, [.. groups.SelectMany(g => g.At).Order()], true)],
                var groups => groups,
            };
        }, cancellationToken);

    public Task<IReadOnlyList<Position>> FindParkedAsync(TableName table, IReadOnlyList<Position> at, CancellationToken cancellationToken) => OnOwnConnectionAsync(
        async connection => ParkedSql.Positions(await connection.QueryAsync(ParkedSql.FindSql(_row, table, at), cancellationToken)), cancellationToken);

    public async Task<RecoveryOutcome> RecoverAsync(TableName table, IReadOnlyList<DeadLetter> letters, bool isTrial, CancellationToken cancellationToken)
    {
        var lot = _lot ?? throw new InvalidOperationException("Nothing is parked here.");
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (_open is not null)
                throw new InvalidOperationException("Parked changes cannot be applied inside an open transaction.");
            return await RecoverAsync(lot, table, letters, isTrial, cancellationToken);
        }
        catch
        {
            await ForgetLateAsync();
            throw;
        }
        finally
        {
            _gate.Release();
        }
    }

    async ValueTask<RecoveryOutcome> RecoverAsync(ParkingLot lot, TableName table, IReadOnlyList<DeadLetter> letters, bool isTrial, CancellationToken cancellationToken)
    {
        _context.Begin();
        await _context.Line.DrainAsync(cancellationToken);
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

        await _row.CommitAsync(_connection, cancellationToken);
        _context.Transaction.Committed();
        _lateBook.Committed();
        foreach (var pended in _lateMemory.Pended)
            SetPending(pended, true);
        _lateMemory.Clear();
        await ParkedSql.ReloadAsync(_connection, _row, lot, table, cancellationToken);
        Failpoint.Hit(FailpointNames.RecoverCommitted);
        return new RecoveryOutcome(null, null, gone);
    }

    async ValueTask<HashSet<Position>> TakeAsync(TableName table, IReadOnlyList<Position> at, CancellationToken cancellationToken)
    {
        return [.. ParkedSql.Positions(await _connection.QueryAsync(ParkedSql.TakeSql(_row, table, at), cancellationToken))];
    }

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

    public async Task<long> DiscardAsync(TableName table, IReadOnlyList<Position> at, CancellationToken cancellationToken)
    {
        var lot = _lot ?? throw new InvalidOperationException("Nothing is parked here.");
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (_open is not null)
                throw new InvalidOperationException("Parked changes cannot be discarded inside an open transaction.");
            _context.Begin();
            await _context.Line.DrainAsync(cancellationToken);
            var taken = await TakeAsync(table, at, cancellationToken);
            await _row.CommitAsync(_connection, cancellationToken);
            _context.Transaction.Committed();
            await ParkedSql.ReloadAsync(_connection, _row, lot, table, cancellationToken);
            return taken.Count;
        }
        catch
        {
            await ForgetLateAsync();
            throw;
        }
        finally
        {
            _gate.Release();
        }
    }
}
