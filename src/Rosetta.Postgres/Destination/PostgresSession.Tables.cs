using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Copies;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Destination.Targets;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination;

// Copies and table states. Each runs on a connection and in a transaction of its own, which ends with the fence: the apply beside it may be inside a
// transaction that is rolled back later.
sealed partial class PostgresSession
{
    public async Task<CopyOutcome> CopyTableAsync(TableCopy copy, ICopySource source, CancellationToken cancellationToken)
    {
        try
        {
            var outcome = await OnOwnConnectionAsync(connection => new TableCopier(connection, _row, _claims).RunAsync(copy, source, cancellationToken), cancellationToken);
            Streams(copy, outcome.Rows, source.ColumnNames);
            return outcome;
        }
        catch (PgServerException e) when (!e.IsFatal)
        {
            var rights = e.SqlState == "42501"
                ? await OnOwnConnectionAsync(connection => MissingRights.SqlAsync(connection, copy.Route.Target, cancellationToken).AsTask(), cancellationToken)
                : null;
            var translated = TableCopier.Translate(e, copy, _opening.PipelineId, rights);
            if (ReferenceEquals(translated, e))
                throw;
            throw translated;
        }
    }

    public async Task AdoptTableAsync(TableCopy table, CancellationToken cancellationToken)
    {
        var columns = TableMaker.Columns(table.Table, table.Route.Columns).Where(c => c.Generated is null).Select(c => c.Name).ToList();
        await OnOwnConnectionAsync(
            async connection =>
            {
                await CopyTarget.PrepareAsync(connection, table, cancellationToken);
                await connection.QueryAsync("BEGIN", cancellationToken);
                await _claims.TakeAsync(connection, table.Route, cancellationToken);
                await CopyTarget.MakeAsync(connection, table, columns, mayHaveRows: true, cancellationToken);
                await connection.QueryAsync(
                    StoredTables.StreamsSql(_row, table.Route.Source, table.Route.Target, table.Since, 0, columns, table.Table.Oid, table.Transform), cancellationToken);
                await _row.CommitAsync(connection, cancellationToken);
                return true;
            }, cancellationToken);
        Streams(table, 0, columns);
    }

    public async Task StopTableAsync(TableName table, TableStop stop, CancellationToken cancellationToken)
    {
        var target = TargetOf(table);
        await ChangeStateAsync(StoredTables.StopSql(_row, table, target, stop), cancellationToken);
        var before = _stored.GetValueOrDefault(table) ?? new StoredTable(new DestinationTable(table, target, null, null, 0), null);
        Store(table, before with { Table = before.Table with { Stop = stop } });
    }

    public async Task ForgetTableAsync(TableName table, CancellationToken cancellationToken)
    {
        await ChangeStateAsync($"{StoredTables.ForgetSql(_row, table)}; {_claims.ReleaseSql(table)}", cancellationToken);
        _lot?.Copied(table);
        Store(table, null);
    }

    public async Task AdvanceAsync(Lsn position, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (_open is not null)
                throw new InvalidOperationException("The position cannot be advanced inside an open transaction.");
            await RefreshAsync(cancellationToken);
            if (position > Position)
                await MoveAsync(position, cancellationToken);
        }
        finally
        {
            _gate.Release();
        }
    }

    public async Task RemoveAsync(CancellationToken cancellationToken)
    {
        await ChangeStateAsync(
            $"DELETE FROM rosetta.tables WHERE {_row.KeySql}; DELETE FROM rosetta.parked WHERE {_row.KeySql}; {_claims.ReleaseAllSql}", cancellationToken, $"DELETE FROM rosetta.position WHERE {_row.KeySql}");
        lock (_states)
            Replace([]);
    }

    void Streams(TableCopy copy, long rows, IReadOnlyList<string> columns)
    {
        _lot?.Copied(copy.Route.Source);
        Store(copy.Route.Source, new StoredTable(new DestinationTable(copy.Route.Source, copy.Route.Target, copy.Since, null, rows) { Transform = copy.Transform, LacksExtras = true }, [.. columns], copy.Table.Oid));
    }

    Task<bool> ChangeStateAsync(string sql, CancellationToken cancellationToken, string? afterFence = null) => OnOwnConnectionAsync(
        async connection =>
        {
            await connection.QueryAsync($"BEGIN; {sql}", cancellationToken);
            await _row.CommitAsync(connection, cancellationToken, afterFence);
            return true;
        }, cancellationToken);

    async Task<T> OnOwnConnectionAsync<T>(Func<PgConnection, Task<T>> work, CancellationToken cancellationToken)
    {
        var connection = await _spare.TakeAsync(cancellationToken);
        try
        {
            var result = await work(connection);
            await _spare.ReturnAsync(connection);
            return result;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>A connection beside that of the stream, with the settings of ours.</summary>
    async Task<PgConnection> OpenAnotherAsync(CancellationToken cancellationToken)
    {
        var connection = await PgConnection.OpenAsync(_endpoint, cancellationToken: cancellationToken);
        try
        {
            await SessionSettings.ApplyAsync(connection, cancellationToken);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }
}
