using Npgsql;
using Rosetta.Testing.Servers;

namespace Rosetta.Bench.Stage;

/// <summary>The private servers of a run: config database, source, targets. All of them as in real use: fsync on.</summary>
sealed class BenchDatabases : IAsyncDisposable
{
    /// <summary>The role that looks on: its backends are told from those that replicate.</summary>
    public const string Watcher = "watcher";

    public const string SourceDatabase = "app";
    public const string RosettaDatabase = "by_rosetta";
    public const string NativeDatabase = "by_subscription";
    const string ConfigDatabase = "rosetta";

    // Autovacuum would come at another moment in each round. Room for the whole backlog between two checkpoints.
    static readonly Dictionary<string, string> Settings = new()
    {
        ["shared_buffers"] = "1GB", ["max_wal_size"] = "8GB", ["checkpoint_timeout"] = "30min", ["autovacuum"] = "off"
    };

    BenchDatabases(PostgresServer config, PostgresServer source, IReadOnlyList<PostgresServer> targets)
    {
        Config = config;
        Source = source;
        Targets = targets;
    }

    public PostgresServer Config { get; }

    public PostgresServer Source { get; }

    public IReadOnlyList<PostgresServer> Targets { get; }

    // Pooled, as a user's is.
    public string ConfigConnection => new NpgsqlConnectionStringBuilder(Config.ConnectionString(ConfigDatabase)) { Pooling = true }.ConnectionString;

    public static async Task<BenchDatabases> StartAsync(int targets, CancellationToken cancellationToken)
    {
        var options = new PostgresServerOptions { Durable = true, Settings = Settings };
        var started = new List<PostgresServer>();
        try
        {
            started.Add(await PostgresServer.StartAsync(new PostgresServerOptions { Name = "bench-config", Durable = true }, cancellationToken));
            started.Add(await PostgresServer.StartAsync(options with { Name = "bench-source" }, cancellationToken));
            for (var n = 1; n <= targets; n++)
                started.Add(await PostgresServer.StartAsync(options with { Name = $"bench-target{n}" }, cancellationToken));
            foreach (var server in started)
                await server.ExecuteAsync($"CREATE ROLE {Watcher} SUPERUSER LOGIN", cancellationToken: cancellationToken);
            await started[0].CreateDatabaseAsync(ConfigDatabase, cancellationToken);
            await started[1].CreateDatabaseAsync(SourceDatabase, cancellationToken);
            foreach (var target in started.Skip(2))
                await target.CreateDatabaseAsync(RosettaDatabase, cancellationToken);
            return new BenchDatabases(started[0], started[1], started[2..]);
        }
        catch
        {
            foreach (var server in started)
                await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>A connection of the watcher.</summary>
    public static async Task<NpgsqlConnection> WatchAsync(PostgresServer server, string database, CancellationToken cancellationToken)
    {
        var connection = new NpgsqlConnection(server.ConnectionString(database, Watcher));
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

    /// <summary>Runs a statement at the source as the watcher: its backend is none of those measured.</summary>
    public async Task ExecuteAtSourceAsync(string sql, CancellationToken cancellationToken)
    {
        await using var connection = await WatchAsync(Source, SourceDatabase, cancellationToken);
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    public Task<string?> SourceWalEndAsync(CancellationToken cancellationToken) =>
        Source.ScalarAsync<string>("SELECT pg_current_wal_insert_lsn()::text", SourceDatabase, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        foreach (var server in Targets.Append(Source).Append(Config))
            await server.DisposeAsync();
    }
}
