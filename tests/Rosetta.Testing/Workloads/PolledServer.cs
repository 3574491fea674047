using System.Net.Sockets;
using Npgsql;

namespace Rosetta.Testing.Workloads;

/// <summary>A connection for a watcher: kept while it works, opened anew when the server comes back.</summary>
sealed class PolledServer(string connectionString, TimeSpan timeout) : IAsyncDisposable
{
    readonly string _connectionString = new NpgsqlConnectionStringBuilder(connectionString)
    {
        Pooling = false,
        Timeout = Math.Max(1, (int)timeout.TotalSeconds),
        CommandTimeout = Math.Max(1, (int)timeout.TotalSeconds),
        CancellationTimeout = -1,
        ApplicationName = "watcher"
    }.ConnectionString;
    NpgsqlConnection? _connection;

    /// <summary>Runs a query and gives its rows; null when the server is away or the table is not there (yet).</summary>
    public async Task<List<object[]>?> TryQueryAsync(string sql, CancellationToken cancellationToken)
    {
        try
        {
            if (_connection is null)
            {
                var opening = new NpgsqlConnection(_connectionString);
                _connection = opening;
                await opening.OpenAsync(cancellationToken);
            }
            await using var command = new NpgsqlCommand(sql, _connection);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            var rows = new List<object[]>();
            while (await reader.ReadAsync(cancellationToken))
            {
                var row = new object[reader.FieldCount];
                reader.GetValues(row);
                rows.Add(row);
            }
            return rows;
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName)
        {
            return null;
        }
        catch (Exception e) when (e is NpgsqlException or SocketException or IOException or TimeoutException)
        {
            await DisposeAsync();
            return null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_connection is { } connection)
        {
            _connection = null;
            await connection.DisposeAsync();
        }
    }
}
