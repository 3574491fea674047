using System.Diagnostics;
using System.Net.Sockets;
using Npgsql;

namespace Rosetta.Testing.Workloads;

/// <summary>One connection that writes transactions, paced, and comes back after every failure of server or network.</summary>
sealed class WorkloadWriter(int seed, MixedWorkloadOptions options, Func<double?> changesPerSecond)
{
    static readonly TimeSpan Reconnect = TimeSpan.FromMilliseconds(100);
    static readonly TimeSpan LongestDebt = TimeSpan.FromSeconds(1);
    static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(1);

    // The server ended the transaction because of another one; the next will do.
    static readonly HashSet<string> Conflicts =
    [
        PostgresErrorCodes.UniqueViolation, PostgresErrorCodes.DeadlockDetected, PostgresErrorCodes.SerializationFailure,
        PostgresErrorCodes.LockNotAvailable, PostgresErrorCodes.QueryCanceled
    ];

    readonly TrafficGenerator _generator = new(seed, options);
    readonly List<Statement> _statements = [];
    readonly string _connectionString = new NpgsqlConnectionStringBuilder(options.ConnectionString)
    {
        Pooling = false,
        MaxAutoPrepare = 300,
        AutoPrepareMinUsages = 3,
        CommandTimeout = 0,
        Timeout = 5,
        ApplicationName = "workload"
    }.ConnectionString;
    NpgsqlConnection? _connection;
    bool _connectedBefore;

    public WorkloadCounts Counts { get; private set; } = WorkloadCounts.None;

    /// <summary>Writes until cancelled, or so many transactions; cancelling waits for the transaction under way.</summary>
    public async Task RunAsync(long transactions, CancellationToken stop)
    {
        var due = Stopwatch.GetTimestamp();
        try
        {
            for (long i = 0; i < transactions && !stop.IsCancellationRequested; i++)
            {
                var before = Counts.Changes;
                if (!await ConnectAsync(stop))
                    return;
                _generator.Next(_statements);
                await ExecuteAsync();
                if (changesPerSecond() is { } rate)
                    due = await PaceAsync(due, (Counts.Changes - before) / rate, stop);
            }
        }
        finally
        {
            await CloseAsync();
        }
    }

    async Task ExecuteAsync()
    {
        Debug.Assert(_connection is not null);
        await using var batch = new NpgsqlBatch(_connection);
        foreach (var statement in _statements)
        {
            var command = new NpgsqlBatchCommand(statement.Sql);
            foreach (var value in statement.Parameters)
                command.Parameters.AddWithValue(value);
            batch.BatchCommands.Add(command);
        }
        try
        {
            await batch.ExecuteNonQueryAsync(CancellationToken.None);
            Count(batch);
        }
        catch (PostgresException e) when (Conflicts.Contains(e.SqlState))
        {
            Counts = Counts with { Aborted = Counts.Aborted + 1 };
            await RollbackAsync();
        }
        catch (Exception e) when (IsOutage(e))
        {
            var increments = _statements.Count(s => s.Table == WorkloadTables.Counters);
            Counts = Counts with
            {
                Unknown = Counts.Unknown + 1,
                UnknownCounterIncrements = Counts.UnknownCounterIncrements + increments
            };
            await CloseAsync();
        }
    }

    void Count(NpgsqlBatch batch)
    {
        long changes = 0;
        long increments = 0;
        for (var i = 0; i < _statements.Count; i++)
        {
            if (_statements[i].Table is not { } table)
                continue;
            var affected = batch.BatchCommands[i].RecordsAffected;
            changes += affected;
            if (table == WorkloadTables.Counters)
                increments += affected;
        }
        Counts = Counts with
        {
            Transactions = Counts.Transactions + 1,
            Changes = Counts.Changes + changes,
            CounterIncrements = Counts.CounterIncrements + increments
        };
    }

    async Task RollbackAsync()
    {
        try
        {
            await using var command = new NpgsqlCommand("ROLLBACK", _connection);
            await command.ExecuteNonQueryAsync();
        }
        catch (Exception e) when (IsOutage(e))
        {
            await CloseAsync();
        }
    }

    async Task<bool> ConnectAsync(CancellationToken stop)
    {
        while (_connection is null)
        {
            if (stop.IsCancellationRequested)
                return false;
            var connection = new NpgsqlConnection(_connectionString);
            try
            {
                await connection.OpenAsync(stop);
                _connection = connection;
                if (_connectedBefore)
                    Counts = Counts with { Reconnects = Counts.Reconnects + 1 };
                _connectedBefore = true;
            }
            catch (Exception e) when (IsOutage(e) || stop.IsCancellationRequested)
            {
                await connection.DisposeAsync();
                if (!await PauseAsync(Reconnect, stop))
                    return false;
            }
        }
        return true;
    }

    // The next transaction is due when the changes written so far would have been written at the wanted rate. After an outage only a
    // second of it is made up for.
    static async Task<long> PaceAsync(long due, double seconds, CancellationToken stop)
    {
        var earliest = Stopwatch.GetTimestamp() - (long)(LongestDebt.TotalSeconds * Stopwatch.Frequency);
        due = Math.Max(due + (long)(seconds * Stopwatch.Frequency), earliest);
        var left = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), due);
        if (left > ShortestPause)
            await PauseAsync(left, stop);
        return due;
    }

    static async Task<bool> PauseAsync(TimeSpan pause, CancellationToken stop)
    {
        await Task.Delay(pause, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return !stop.IsCancellationRequested;
    }

    async Task CloseAsync()
    {
        if (_connection is { } connection)
        {
            _connection = null;
            await connection.DisposeAsync();
        }
    }

    // Server stopping, starting, crashed or out of connections; network gone.
    static bool IsOutage(Exception e) => e switch
    {
        PostgresException p => p.SqlState.StartsWith("57P", StringComparison.Ordinal)
            || p.SqlState.StartsWith("08", StringComparison.Ordinal)
            || p.SqlState == PostgresErrorCodes.TooManyConnections,
        NpgsqlException or SocketException or IOException or TimeoutException => true,
        _ => false
    };
}
