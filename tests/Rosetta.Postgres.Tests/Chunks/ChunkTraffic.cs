using System.Globalization;
using Npgsql;

namespace Rosetta.Postgres.Tests.Chunks;

/// <summary>
/// Writers that interleave at a source, step by step: some hold transactions open, and some commits wait for a standby that does not exist, so that they are
/// in the WAL and not visible.
/// </summary>
sealed class ChunkTraffic : IAsyncDisposable
{
    readonly NpgsqlConnection[] _writers;
    readonly NpgsqlTransaction?[] _open;
    readonly NpgsqlConnection _watcher;
    readonly List<(NpgsqlConnection Connection, Task Commit)> _hanging = [];
    readonly string _connection;
    readonly Stack<NpgsqlConnection> _waiters = [];

    ChunkTraffic(NpgsqlConnection[] writers, NpgsqlConnection watcher, string connection)
    {
        _writers = writers;
        _open = new NpgsqlTransaction?[writers.Length];
        _watcher = watcher;
        _connection = connection;
    }

    /// <summary>What it does next.</summary>
    public Random Random { get; set; } = new(0);

    public int Hung { get; private set; }

    public static async Task<ChunkTraffic> OpenAsync(string connection)
    {
        var writers = new NpgsqlConnection[3];
        for (var i = 0; i < writers.Length; i++)
            writers[i] = await OpenWriterAsync(connection, "local");
        return new ChunkTraffic(writers, await OpenWriterAsync(connection, "local"), connection);
    }

    static async Task<NpgsqlConnection> OpenWriterAsync(string connection, string synchronousCommit)
    {
        var opened = new NpgsqlConnection(connection);
        await opened.OpenAsync();
        await ExecuteAsync(opened, $"SET synchronous_commit = {synchronousCommit}; SET lock_timeout = '5ms'");
        return opened;
    }

    /// <summary>One step of one writer, at the given table.</summary>
    public async Task StepAsync(Func<Random, string> statement)
    {
        if (_hanging.Count > 0 && Random.Next(6) == 0)
        {
            await ReleaseAsync(Random.Next(_hanging.Count));
            return;
        }

        if (_hanging.Count < 2 && Random.Next(8) == 0)
        {
            await HangAsync(statement(Random));
            return;
        }

        var writer = Random.Next(_writers.Length);
        if (_open[writer] is { } transaction && Random.Next(3) == 0)
        {
            _open[writer] = null;
            await (Random.Next(5) == 0 ? transaction.RollbackAsync() : transaction.CommitAsync());
            return;
        }

        if (_open[writer] is null && Random.Next(2) == 0)
            _open[writer] = await _writers[writer].BeginTransactionAsync();
        try
        {
            await ExecuteAsync(_writers[writer], statement(Random));
        }
        catch (PostgresException e) when (e.SqlState is "55P03" or "23505" or "40P01")
        {
            // Another writer has the row, or a key is taken: that transaction is over.
            if (_open[writer] is { } failed)
                await failed.RollbackAsync();
            _open[writer] = null;
        }
    }

    /// <summary>
    /// In a transaction of its own, unless another one is in the way: what locks a table must not wait, since the reader of chunks would wait for it.
    /// </summary>
    public async Task TryAloneAsync(string sql)
    {
        try
        {
            await ExecuteAsync(_watcher, sql);
        }
        catch (PostgresException e) when (e.SqlState == "55P03")
        {
            // Another writer has the table.
        }
    }

    /// <summary>A commit that is in the WAL and waits.</summary>
    async Task HangAsync(string statement)
    {
        var connection = _waiters.TryPop(out var kept) ? kept : await OpenWriterAsync(_connection, "on");
        var transaction = await connection.BeginTransactionAsync();
        try
        {
            await ExecuteAsync(connection, statement);
        }
        catch (PostgresException e) when (e.SqlState is "55P03" or "23505" or "40P01")
        {
            await transaction.RollbackAsync();
            _waiters.Push(connection);
            return;
        }

        var commit = transaction.CommitAsync();
        while (!commit.IsCompleted && !await IsWaitingAsync(connection.ProcessID))
        {
        }

        if (!commit.IsCompleted)
            Hung++;
        _hanging.Add((connection, commit));
    }

    async Task<bool> IsWaitingAsync(int pid)
    {
        await using var look = new NpgsqlCommand(string.Create(CultureInfo.InvariantCulture, $"SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = {pid}"), _watcher);
        return await look.ExecuteScalarAsync() is true;
    }

    async Task ReleaseAsync(int index)
    {
        var (connection, commit) = _hanging[index];
        _hanging.RemoveAt(index);
        // The wait is cancelled, the commit stands.
        while (!commit.IsCompleted)
        {
            await ExecuteAsync(_watcher, string.Create(CultureInfo.InvariantCulture, $"SELECT pg_cancel_backend({connection.ProcessID})"));
            await Task.WhenAny(commit, Task.Delay(20));
        }

        await commit;
        _waiters.Push(connection);
    }

    /// <summary>Ends every transaction.</summary>
    public async Task EndAsync()
    {
        while (_hanging.Count > 0)
            await ReleaseAsync(0);
        for (var i = 0; i < _open.Length; i++)
        {
            if (_open[i] is { } transaction)
                await transaction.CommitAsync();
            _open[i] = null;
        }
    }

    public Task ExecuteAsync(string sql) => ExecuteAsync(_watcher, sql);

    /// <summary>The first column of every row.</summary>
    public async Task<List<string>> QueryAsync(string sql)
    {
        await using var command = new NpgsqlCommand(sql, _watcher);
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<string>();
        while (await reader.ReadAsync())
            rows.Add(reader.GetString(0));
        return rows;
    }

    static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        foreach (var writer in _writers.Concat(_waiters))
            await writer.DisposeAsync();
        await _watcher.DisposeAsync();
    }
}
