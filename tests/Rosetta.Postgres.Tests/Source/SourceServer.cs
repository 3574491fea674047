using System.Globalization;
using Rosetta.Postgres.Source;
using Rosetta.Postgres.Wire;
using Rosetta.Testing.Servers;
using Xunit;

namespace Rosetta.Postgres.Tests.Source;

/// <summary>One PostgreSQL server for the tests of the source side; every test has a database of its own, with an awkward name.</summary>
public sealed class SourceServer : IAsyncLifetime
{
    static int s_databases;

    /// <summary>Major version to test with, by the environment's ROSETTA_TEST_POSTGRES; null for the installed one.</summary>
    public static int? Version { get; } = int.TryParse(Environment.GetEnvironmentVariable("ROSETTA_TEST_POSTGRES"), CultureInfo.InvariantCulture, out var version) ? version : null;

    string? _emptied;

    public PostgresServer Server { get; private set; } = null!;

    public async Task InitializeAsync() => Server = await PostgresServer.StartAsync(new PostgresServerOptions
    {
        Name = "source",
        Version = Version,
        Settings = new Dictionary<string, string> { ["max_replication_slots"] = "40", ["max_wal_senders"] = "40", ["max_prepared_transactions"] = "5" },
    });

    public async Task DisposeAsync() => await Server.DisposeAsync();

    public async Task<string> CreateDatabaseAsync(string? sql = null)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"Quelle \"{Interlocked.Increment(ref s_databases)}\"; it's = ü\\");
        await Server.CreateDatabaseAsync(name);
        if (sql is not null)
            await Server.ExecuteAsync(sql, name);
        return name;
    }

    /// <summary>A database that is emptied first instead of made: cheaper, for the cases of a theory. One test at a time may have it.</summary>
    public async Task<string> EmptyDatabaseAsync(string sql)
    {
        _emptied ??= await CreateDatabaseAsync();
        await Server.ExecuteAsync($$"""
            DO $$ DECLARE r record; BEGIN
              FOR r IN SELECT format('DROP PUBLICATION %I', pubname) AS sql FROM pg_publication
                UNION ALL SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
              LOOP EXECUTE r.sql; END LOOP;
              CREATE SCHEMA public;
            END $$;
            {{sql}}
            """, _emptied);
        return _emptied;
    }

    public PgEndpoint Endpoint(string database, string user = "postgres", string applicationName = "rosetta/test") => EndpointOf(Server, database, user, applicationName);

    public static PgEndpoint EndpointOf(
        PostgresServer server, string database = "postgres", string user = "postgres", string applicationName = "rosetta/test") => new()
        {
            Host = server.Host,
            Port = server.Port,
            Database = database,
            User = user,
            ApplicationName = applicationName,
        };

    public SourceDatabase Database(string database, string user = "postgres") => new(Endpoint(database, user));
}

[CollectionDefinition(Name)]
public sealed class SourceServerCollection : ICollectionFixture<SourceServer>
{
    public const string Name = "source server";
}
