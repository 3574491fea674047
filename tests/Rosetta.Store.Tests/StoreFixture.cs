using Dapper;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Rosetta.Core.Pipelines;
using Rosetta.Store.Configuration;
using Rosetta.Store.Destinations;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Secrets;
using Rosetta.Store.Sources;
using Rosetta.Testing.Servers;
using Xunit;

namespace Rosetta.Store.Tests;

/// <summary>One server for the tests that do not stop it; each test takes a fresh database of it.</summary>
public sealed class StoreFixture : IAsyncLifetime
{
    int _databases;

    public PostgresServer Server { get; private set; } = null!;

    public async Task InitializeAsync() => Server = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "config" });

    public async Task DisposeAsync() => await Server.DisposeAsync();

    public async Task<string> NewDatabaseAsync()
    {
        var name = $"config_{Interlocked.Increment(ref _databases)}";
        await Server.CreateDatabaseAsync(name);
        return StoreUnderTest.Patient(Server.ConnectionString(name));
    }

    /// <summary>A migrated database, opened with <see cref="StoreUnderTest.Key"/>.</summary>
    public async Task<StoreUnderTest> NewStoreAsync() => await StoreUnderTest.OpenAsync(await NewDatabaseAsync());
}

[CollectionDefinition(nameof(StoreCollection))]
public sealed class StoreCollection : ICollectionFixture<StoreFixture>;

/// <summary>A node's view of a config database.</summary>
public sealed class StoreUnderTest : IAsyncDisposable
{
    public const string Key = "a secret key of some length";

    StoreUnderTest(ConfigDatabase database, Installation installation)
    {
        Database = database;
        Installation = installation;
        Sources = new SourceRepository(database, installation);
        Destinations = new DestinationRepository(database, installation);
        Pipelines = new PipelineRepository(database, installation);
        Attachments = new PipelineDestinationRepository(database, Pipelines);
    }

    public ConfigDatabase Database { get; }

    public Installation Installation { get; }

    public SourceRepository Sources { get; }

    public DestinationRepository Destinations { get; }

    public PipelineRepository Pipelines { get; }

    public PipelineDestinationRepository Attachments { get; }

    /// <summary>A busy machine is no absence; only the tests of absence use the timeouts of a node.</summary>
    public static string Patient(string connectionString) => $"{connectionString};Timeout=60;Command Timeout=60";

    public static async Task<StoreUnderTest> OpenAsync(string connectionString)
    {
        var database = new ConfigDatabase(connectionString, NullLogger<ConfigDatabase>.Instance);
        await new ConfigMigrator(database, NullLogger<ConfigMigrator>.Instance).MigrateAsync(CancellationToken.None);
        var installation = await new InstallationOpener(database, NullLogger<InstallationOpener>.Instance)
            .OpenAsync(Key, "/nonexistent/secret.key", CancellationToken.None);
        return new StoreUnderTest(database, installation);
    }

    public async Task<SourceDefinition> AddSourceAsync(string name = "source", string password = "pw") =>
        Value(await Sources.AddAsync(new NewSource(name, "127.0.0.1", 5432, "app", "rosetta", new Secret(password)), CancellationToken.None));

    public async Task<DestinationDefinition> AddDestinationAsync(string name = "destination") =>
        Value(await Destinations.AddAsync(
            new NewDestination(name, DestinationType.Postgres, new() { ["host"] = "127.0.0.1", ["database"] = "target", ["user"] = "rosetta", ["password"] = "pw" }),
            CancellationToken.None));

    /// <summary>A pipeline with <paramref name="destinations"/> destinations attached, not started.</summary>
    public async Task<PipelineDefinition> AddPipelineAsync(string name = "pipeline", int destinations = 1)
    {
        var source = await AddSourceAsync($"source of {name}");
        var pipeline = Value(await Pipelines.AddAsync(name, source.Id, CancellationToken.None));
        for (var i = 0; i < destinations; i++)
        {
            var destination = await AddDestinationAsync($"destination {i} of {name}");
            pipeline = Value(await Attachments.AttachAsync(pipeline.Id, destination.Id, SnapshotChoice.Initial, [], CancellationToken.None));
        }

        return pipeline;
    }

    public async Task<NpgsqlConnection> ConnectAsync() => await Database.DataSource.OpenConnectionAsync();

    public async Task<T?> ScalarAsync<T>(string sql, object? arguments = null)
    {
        await using var connection = await ConnectAsync();
        return await connection.ExecuteScalarAsync<T>(sql, arguments);
    }

    public async Task ExecuteAsync(string sql, object? arguments = null)
    {
        await using var connection = await ConnectAsync();
        await connection.ExecuteAsync(sql, arguments);
    }

    public static T Value<T>(StoreResult<T> result)
        where T : class
    {
        Assert.True(result.IsSaved, $"{result.Outcome}: {result.Detail}");
        return result.Value!;
    }

    public ValueTask DisposeAsync() => Database.DisposeAsync();
}
