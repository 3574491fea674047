using Rosetta.Testing.Servers;
using Xunit;

namespace Rosetta.Api.Tests.Hosting;

/// <summary>One server with a config database and a source, one API without keys, for the tests that break neither.</summary>
public sealed class ApiFixture : IAsyncLifetime
{
    int _number;

    public PostgresServer Server { get; private set; } = null!;

    public ApiHost Api { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Server = await PostgresServer.StartAsync(new PostgresServerOptions
        {
            Name = "api", Settings = new Dictionary<string, string> { ["wal_level"] = "logical" },
        });
        await Server.CreateDatabaseAsync("config");
        await Server.CreateDatabaseAsync("app");
        Api = await ApiHost.StartAsync(Server.ConnectionString("config"));
    }

    public async Task DisposeAsync()
    {
        await Api.DisposeAsync();
        await Server.DisposeAsync();
    }

    /// <summary>A name that no other test uses.</summary>
    public string Name(string of) => $"{of} {Interlocked.Increment(ref _number)}";

    public object Source(string name, string database = "app") => new
    {
        name, pg_host = "127.0.0.1", pg_port = Server.Port, pg_database = database, pg_username = "postgres", pg_password = "not shown",
    };

    public object Destination(string name) => new
    {
        name, type = "POSTGRESQL", config = new { host = "127.0.0.1", port = Server.Port, database = "app", user = "postgres", password = "not shown" },
    };

    public async Task<long> AddSourceAsync(string database = "app") => (await AddAsync("sources", Source(Name("source"), database))).Id;

    public async Task<long> AddDestinationAsync() => (await AddAsync("destinations", Destination(Name("destination")))).Id;

    /// <summary>A pipeline with one destination, paused.</summary>
    public async Task<(long Pipeline, long Destination)> AddPipelineAsync(string database = "app")
    {
        var pipeline = (await AddAsync("pipelines", new { name = Name("pipeline"), source_id = await AddSourceAsync(database) })).Id;
        var destination = await AddDestinationAsync();
        await AddAsync($"pipelines/{pipeline}/destinations", new { destination_id = destination });
        return (pipeline, destination);
    }

    async Task<Answer> AddAsync(string path, object body)
    {
        var answer = await Api.PostAsync(path, body);
        Assert.True(answer.Status == 201, answer.Text);
        return answer;
    }
}

[CollectionDefinition(nameof(ApiCollection))]
public sealed class ApiCollection : ICollectionFixture<ApiFixture>;
