using Rosetta.Testing.Servers;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>One PostgreSQL server for the tests of the destination; every test has a source and a target database of its own in it.</summary>
public sealed class DestinationServer : IAsyncLifetime
{
    static int s_names;

    public PostgresServer Server { get; private set; } = null!;

    public async Task InitializeAsync() => Server = await PostgresServer.StartAsync(new PostgresServerOptions
    {
        Name = "destination",
        Version = Tests.Source.SourceServer.Version,
        Settings = new Dictionary<string, string> { ["max_replication_slots"] = "60", ["max_wal_senders"] = "60", ["autovacuum"] = "off" },
    });

    public async Task DisposeAsync() => await Server.DisposeAsync();

    /// <summary>A source with these objects, and an empty target.</summary>
    /// <param name="sourceServer">Null: the source is on the same server.</param>
    public Task<Replica> ReplicaAsync(string sourceSql, string user = "postgres", PostgresServer? sourceServer = null) =>
        Replica.CreateAsync(Server, Interlocked.Increment(ref s_names), sourceSql, user, sourceServer);
}

[CollectionDefinition(Name)]
public sealed class DestinationServerCollection : ICollectionFixture<DestinationServer>
{
    public const string Name = "destination server";
}
