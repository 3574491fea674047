using System.Reflection;
using Rosetta.Testing.Servers;
using Xunit;

namespace Rosetta.Actors.Tests.Cluster;

/// <summary>A server with databases that hold <c>cluster_nodes</c> as the migration makes it.</summary>
public sealed class ConfigDatabase : IAsyncLifetime
{
    int _databases;

    public PostgresServer Server { get; private set; } = null!;

    /// <summary>The statements that make the table.</summary>
    public string Schema { get; } = Migration();

    public async Task InitializeAsync() => Server = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "config" });

    public Task DisposeAsync() => Server.DisposeAsync().AsTask();

    /// <summary>Makes a database and gives its name.</summary>
    public async Task<string> CreateAsync()
    {
        var name = $"config{Interlocked.Increment(ref _databases)}";
        await Server.CreateDatabaseAsync(name);
        await Server.ExecuteAsync(Schema, name);
        return name;
    }

    static string Migration()
    {
        var store = Assembly.Load("Rosetta.Store");
        var resource = store.GetManifestResourceNames().Single(name => name.EndsWith("cluster_nodes.sql", StringComparison.Ordinal));
        using var reader = new StreamReader(store.GetManifestResourceStream(resource)!);
        return reader.ReadToEnd();
    }
}

/// <summary>Tests that share one server.</summary>
[CollectionDefinition(Name)]
public sealed class ConfigDatabaseDefinition : ICollectionFixture<ConfigDatabase>
{
    public const string Name = "config database";
}
