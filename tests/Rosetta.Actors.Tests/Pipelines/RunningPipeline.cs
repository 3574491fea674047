using Akka.Actor;
using Akka.TestKit;
using Microsoft.Extensions.Logging.Abstractions;
using Rosetta.Actors.Pipelines;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination;
using Rosetta.Postgres.Wire;
using Rosetta.Store;
using Rosetta.Store.Configuration;
using Rosetta.Store.Destinations;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Requests;
using Rosetta.Store.Runtime;
using Rosetta.Store.Secrets;
using Rosetta.Store.Sources;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Actors.Tests.Pipelines;

/// <summary>Entities of pipelines on real databases of one server: config, source and target. The test plays the shard and the config poller.</summary>
sealed class RunningPipeline : IAsyncDisposable
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    readonly PostgresServer _server;
    readonly ConfigStore _store;

    RunningPipeline(PostgresServer server, ConfigStore store)
    {
        _server = server;
        _store = store;
    }

    public static async Task<RunningPipeline> StartAsync(string sourceSql)
    {
        var server = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "pipeline" });
        foreach (var database in (string[])["config", "source", "target"])
            await server.CreateDatabaseAsync(database);
        await server.ExecuteAsync(sourceSql, "source");
        var config = new ConfigDatabase($"{server.ConnectionString("config")};Timeout=60;Command Timeout=60", NullLogger<ConfigDatabase>.Instance);
        await new ConfigMigrator(config, NullLogger<ConfigMigrator>.Instance).MigrateAsync(default);
        var installation = await new InstallationOpener(config, NullLogger<InstallationOpener>.Instance)
            .OpenAsync("a secret key of some length", "/nonexistent/secret.key", default);
        return new RunningPipeline(server, new ConfigStore(config, installation));
    }

    public string SourceConnection => _server.ConnectionString("source");

    public string TargetConnection => _server.ConnectionString("target");

    public Task SourceAsync(string sql) => _server.ExecuteAsync(sql, "source");

    public string ConfigConnection => _server.ConnectionString("config");

    public ConfigStore Store => _store;

    public Task TargetAsync(string sql) => _server.ExecuteAsync(sql, "target");

    public Task ConfigAsync(string sql) => _server.ExecuteAsync(sql, "config");

    public Task<T?> ConfigScalarAsync<T>(string sql) => _server.ScalarAsync<T>(sql, "config");

    public Task<T?> TargetScalarAsync<T>(string sql) => _server.ScalarAsync<T>(sql, "target");

    public PipelineServices Services => new(
        _store.Installation.Uuid, _store.Pipelines, _store.PipelineDestinations, _store.Epochs, _store.SlotRecords, _store.Reports, _store.Requests, _store.Backfills, _store.Verifies, _store.Notifications, _store.DataFlow,
        d =>
        {
            var to = PostgresDestinationConfig.From(d);
            return new PostgresDestination(new PgEndpoint { Host = to.Host, Port = to.Port, Database = to.Database, User = to.User });
        },
        new PipelineSettings { CatalogInterval = TimeSpan.FromHours(1) }, TimeProvider.System);

    /// <summary>Makes a pipeline from the source to the target.</summary>
    public async Task<(long Pipeline, long Destination)> AddAsync(string name, params TableSync[] tables)
    {
        var source = Value(await _store.Sources.AddAsync(new NewSource($"{name} source", _server.Host, _server.Port, "source", "postgres", new Secret("")), default));
        var destination = Value(await _store.Destinations.AddAsync(
            new NewDestination(
                $"{name} target", DestinationType.Postgres,
                new() { ["host"] = _server.Host, ["port"] = _server.Port, ["database"] = "target", ["user"] = "postgres" }),
            default));
        var pipeline = Value(await _store.Pipelines.AddAsync(name, source.Id, default));
        Value(await _store.PipelineDestinations.AttachAsync(pipeline.Id, destination.Id, SnapshotChoice.Initial, tables, default));
        Value(await _store.Pipelines.SetStatusAsync(pipeline.Id, PipelineStatus.Start, default));
        return (pipeline.Id, destination.Id);
    }

    public IActorRef Run(TestProbe shard, long pipeline)
    {
        var actor = shard.ChildActorOf(PipelineActor.Props(pipeline, Services), $"pipeline-{pipeline}");
        actor.Tell(new PipelineCommands.EnsureRunning(pipeline, 1));
        return actor;
    }

    /// <summary>Deletes a pipeline that does not run, without a word to its destinations.</summary>
    public async Task DeleteAsync(long pipeline)
    {
        Value(await _store.Pipelines.SetStatusAsync(pipeline, PipelineStatus.Pause, default));
        Assert.True((await _store.Pipelines.DeleteAsync(pipeline, default)).IsSaved);
    }

    /// <summary>Asks for something and waits until it is answered.</summary>
    public async Task<PipelineRequestState> RequestAsync(IActorRef actor, long pipeline, PipelineRequestKind kind, string? table = null)
    {
        var request = Value(await _store.Requests.AddAsync(pipeline, kind, null, table, "test", default));
        actor.Tell(new PipelineCommands.LookForRequests(pipeline));
        PipelineRequestState? state = null;
        await Wait.UntilAsync(
            async () => (state = await _store.Requests.FindStateAsync(request.Id, default)) is { State: "DONE" or "FAILED" }, $"{kind} to be answered", Patience);
        return state!;
    }

    public async Task<IReadOnlyDictionary<string, TableView>> TablesAsync(long pipeline) =>
        (await _store.Status.ReadAsync([pipeline], default))[pipeline].Destinations.Values.SelectMany(d => d.Tables).ToDictionary(t => t.TableName);

    /// <summary>Waits until the table is in one of the states.</summary>
    public async Task WaitForAsync(long pipeline, string table, params TableState[] states)
    {
        var seen = "nothing";
        await Wait.UntilAsync(
            async () =>
            {
                var tables = await TablesAsync(pipeline);
                seen = string.Join(", ", tables.Values.Select(t => $"{t.TableName} {t.State} {t.Error}"));
                return tables.TryGetValue(table, out var found) && states.Any(s => s.ToName() == found.State);
            },
            $"{table} to be {string.Join(" or ", states)}", Patience);
        Assert.NotEqual("nothing", seen);
    }

    public async Task<PipelineStatusView> StatusAsync(long pipeline) => (await _store.Status.ReadAsync([pipeline], default))[pipeline];

    static T Value<T>(StoreResult<T> result)
        where T : class
    {
        Assert.True(result.IsSaved, $"{result.Outcome}: {result.Detail}");
        return result.Value!;
    }

    public async ValueTask DisposeAsync()
    {
        await _store.Database.DisposeAsync();
        await _server.DisposeAsync();
    }
}
