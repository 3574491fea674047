using Rosetta.Core.Positions;
using Rosetta.Postgres.Replication;
using Rosetta.Postgres.Wire;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Postgres.Tests.Replication;

/// <summary>One server for the tests of a collection; every test has a database of its own.</summary>
public sealed class ReplicationServer : IAsyncLifetime
{
    public PostgresServer Server { get; private set; } = null!;

    public async Task InitializeAsync() => Server = await PostgresServer.StartAsync(new PostgresServerOptions
    {
        Name = "replication",
        Version = Tests.Source.SourceServer.Version,
        Ssl = true,
        Settings = new Dictionary<string, string> { ["max_prepared_transactions"] = "5", ["track_commit_timestamp"] = "on" },
    });

    public async Task DisposeAsync()
    {
        if (Server is not null)
            await Server.DisposeAsync();
    }
}

[CollectionDefinition(Name)]
public sealed class ReplicationCollection : ICollectionFixture<ReplicationServer>
{
    public const string Name = "replication";
}

/// <summary>A database with tables, the publication <c>pub</c> of some of them, and a slot; all of it goes at the end.</summary>
public sealed class SourceFixture : IAsyncDisposable
{
    static int s_next;

    readonly PostgresServer _server;

    SourceFixture(PostgresServer server, string database)
    {
        _server = server;
        Database = database;
    }

    public string Database { get; }

    public string Slot => $"slot_{Database}";

    public Lsn Start { get; private set; }

    public PgEndpoint Endpoint => new() { Host = _server.Host, Port = _server.Port, Database = Database, User = "postgres", ApplicationName = Database };

    /// <param name="tables">SQL that makes the tables.</param>
    /// <param name="published">What follows CREATE PUBLICATION pub.</param>
    public static async Task<SourceFixture> CreateAsync(PostgresServer server, string tables, string published)
    {
        var fixture = new SourceFixture(server, $"r{Environment.ProcessId}_{Interlocked.Increment(ref s_next)}");
        await server.CreateDatabaseAsync(fixture.Database);
        await fixture.ExecuteAsync(tables);
        await fixture.ExecuteAsync($"CREATE PUBLICATION pub {published}");
        await using ReplicationConnection connection = await fixture.OpenAsync();
        fixture.Start = (await connection.CreateSlotAsync(new SlotRequest(fixture.Slot))).ConsistentPoint;
        return fixture;
    }

    public Task<int> ExecuteAsync(string sql) => _server.ExecuteAsync(sql, Database);

    public Task<T?> ScalarAsync<T>(string sql) => _server.ScalarAsync<T>(sql, Database);

    public async Task<Lsn> LsnAsync(string sql = "pg_current_wal_lsn()") => Lsn.Parse((await ScalarAsync<string>($"SELECT ({sql})::text"))!);

    public ValueTask<ReplicationConnection> OpenAsync(ReadPacing? pacing = null) => ReplicationConnection.OpenAsync(Endpoint, pacing);

    public ChangeStreamOptions Options => new() { Slot = Slot, Publications = ["pub"], Start = Start };

    public async ValueTask DisposeAsync()
    {
        await Wait.UntilAsync(
            async () =>
            {
                await _server.KillBackendsAsync($"datname = '{Database}'");
                await _server.ExecuteAsync($"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '{Database}'");
                await _server.ExecuteAsync($"DROP DATABASE IF EXISTS \"{Database}\" WITH (FORCE)");
                return true;
            },
            $"database {Database} to go");
    }
}
