using Npgsql;

namespace Rosetta.Testing.Servers;

// SQL against the server, for arranging and checking; every call has a connection of its own, so crashes leave nothing stale behind.
public sealed partial class PostgresServer
{
    /// <summary>An Npgsql connection string, without pooling: a pool would keep connections over crashes and block DROP DATABASE.</summary>
    public string ConnectionString(string database = "postgres", string user = "postgres", string? password = null)
    {
        var builder = new NpgsqlConnectionStringBuilder
        {
            Host = Host,
            Port = Port,
            Database = database,
            Username = user,
            Pooling = false,
            Timeout = 30,
            CommandTimeout = 300,
            IncludeErrorDetail = true,
            SslMode = UsesSsl ? SslMode.Require : SslMode.Disable
        };
        if (password is not null || _options.Auth != "trust")
            builder.Password = password ?? Password;
        return builder.ConnectionString;
    }

    /// <summary>A new open connection.</summary>
    public async Task<NpgsqlConnection> OpenAsync(
        string database = "postgres", string user = "postgres", CancellationToken cancellationToken = default)
    {
        var connection = new NpgsqlConnection(ConnectionString(database, user));
        try
        {
            await connection.OpenAsync(cancellationToken);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    public async Task CreateDatabaseAsync(string name, CancellationToken cancellationToken = default) =>
        await ExecuteAsync($"CREATE DATABASE {SqlName.Quote(name)}", cancellationToken: cancellationToken);

    /// <summary>Runs one or several statements; the number of rows the last one changed.</summary>
    public async Task<int> ExecuteAsync(string sql, string database = "postgres", CancellationToken cancellationToken = default)
    {
        await using var connection = await OpenAsync(database, cancellationToken: cancellationToken);
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>The first column of the first row; default when there is no row or it is NULL.</summary>
    public async Task<T?> ScalarAsync<T>(string sql, string database = "postgres", CancellationToken cancellationToken = default)
    {
        var rows = await QueryAsync<T>(sql, database, cancellationToken);
        return rows.Count == 0 ? default : rows[0];
    }

    /// <summary>The first column of every row.</summary>
    public async Task<IReadOnlyList<T?>> QueryAsync<T>(
        string sql, string database = "postgres", CancellationToken cancellationToken = default)
    {
        await using var connection = await OpenAsync(database, cancellationToken: cancellationToken);
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new List<T?>();
        while (await reader.ReadAsync(cancellationToken))
            rows.Add(await reader.IsDBNullAsync(0, cancellationToken) ? default : await reader.GetFieldValueAsync<T>(0, cancellationToken));
        return rows;
    }

    /// <summary>Every column of every row; NULL is null.</summary>
    public async Task<IReadOnlyList<object?[]>> RowsAsync(
        string sql, string database = "postgres", CancellationToken cancellationToken = default)
    {
        await using var connection = await OpenAsync(database, cancellationToken: cancellationToken);
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new List<object?[]>();
        while (await reader.ReadAsync(cancellationToken))
        {
            var row = new object?[reader.FieldCount];
            for (var i = 0; i < row.Length; i++)
                row[i] = await reader.IsDBNullAsync(i, cancellationToken) ? null : reader.GetValue(i);
            rows.Add(row);
        }
        return rows;
    }

    /// <summary>
    /// pg_terminate_backend for every other backend whose pg_stat_activity row fulfils the SQL predicate, e.g.
    /// <c>backend_type = 'walsender'</c>; how many were signalled.
    /// </summary>
    public async Task<int> KillBackendsAsync(string predicate, CancellationToken cancellationToken = default)
    {
        var killed = await ScalarAsync<long>(
            $"SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND ({predicate})",
            cancellationToken: cancellationToken);
        Log($"PostgreSQL {Name}: {killed} backends terminated where {predicate}");
        return (int)killed;
    }
}
