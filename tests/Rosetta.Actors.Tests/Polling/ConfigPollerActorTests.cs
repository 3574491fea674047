using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using Microsoft.Extensions.Logging.Abstractions;
using Rosetta.Actors.Pipelines;
using Rosetta.Actors.Polling;
using Rosetta.Core.Pipelines;
using Rosetta.Store.Configuration;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Requests;
using Rosetta.Store.Secrets;
using Rosetta.Store.Sources;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Actors.Tests.Polling;

/// <summary>A real config database; the actor's timers run on a clock that only these tests move, so what comes by itself was announced.</summary>
public sealed class ConfigPollerActorTests : TestKit, IAsyncLifetime
{
    const string Clock = """akka.scheduler.implementation = "Akka.TestKit.TestScheduler, Akka.TestKit" """;
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    PostgresServer _server = null!;
    ConfigDatabase _database = null!;
    PipelineRepository _pipelines = null!;
    SourceRepository _sources = null!;
    TestProbe _region = null!;

    public ConfigPollerActorTests()
        : base(Clock)
    {
    }

    public async Task InitializeAsync()
    {
        _server = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "config" });
        await _server.CreateDatabaseAsync("config");
        _database = new ConfigDatabase(_server.ConnectionString("config"), NullLogger<ConfigDatabase>.Instance);
        await new ConfigMigrator(_database, NullLogger<ConfigMigrator>.Instance).MigrateAsync(CancellationToken.None);
        var installation = await new InstallationOpener(_database, NullLogger<InstallationOpener>.Instance)
            .OpenAsync("a secret key of some length", "/nonexistent/secret.key", CancellationToken.None);
        _sources = new SourceRepository(_database, installation);
        _pipelines = new PipelineRepository(_database, installation);
        _region = CreateTestProbe();
    }

    public async Task DisposeAsync()
    {
        await Sys.Terminate();
        await _database.DisposeAsync();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task Should_start_and_stop_a_pipeline_at_once_when_its_status_is_updated_by_hand()
    {
        var id = await AddAsync("it's \"x\"; --");
        StartPoller(_database);
        await ExpectAsync(new PipelineCommands.EnsureStopped(id));
        await SqlAsync($"UPDATE pipelines SET status = 'START' WHERE id = {id}");
        await ExpectRunningAsync(id);
        await SqlAsync($"UPDATE pipelines SET status = 'PAUSE' WHERE id = {id}");
        await ExpectAsync(new PipelineCommands.EnsureStopped(id));
    }

    [Fact]
    public async Task Should_see_a_change_within_10_s_when_no_announcement_comes()
    {
        var id = await AddAsync("quiet");
        await using var deaf = Deaf();
        StartPoller(deaf);
        await PollUntilAsync(new PipelineCommands.EnsureStopped(id));
        await SqlAsync($"UPDATE pipelines SET status = 'START' WHERE id = {id}");
        Advance(ConfigPollerActor.Interval);
        await ExpectRunningAsync(id);
    }

    [Fact]
    public async Task Should_tell_what_runs_again_every_second_so_that_a_lost_entity_comes_back()
    {
        var id = await AddAsync("again");
        await SqlAsync($"UPDATE pipelines SET status = 'START' WHERE id = {id}");
        StartPoller(_database);
        var first = await ExpectRunningAsync(id);
        for (var i = 0; i < 3; i++)
        {
            Advance(TimeSpan.FromSeconds(1));
            Assert.Equal(first, await ExpectRunningAsync(id));
        }
    }

    [Fact]
    public async Task Should_tell_the_version_of_a_changed_configuration()
    {
        var id = await AddAsync("changing");
        await SqlAsync($"UPDATE pipelines SET status = 'START' WHERE id = {id}");
        StartPoller(_database);
        var before = await ExpectRunningAsync(id);
        var changed = await _pipelines.ChangeAsync(id, "changed", null, CancellationToken.None);
        await _region.FishForMessageAsync(
            m => m is PipelineCommands.EnsureRunning running && running.ConfigVersion == changed.Value!.ConfigVersion, Limit);
        Assert.True(changed.Value!.ConfigVersion > before.ConfigVersion);
    }

    [Fact]
    public async Task Should_stop_a_pipeline_that_is_deleted_while_it_runs()
    {
        var id = await AddAsync("deleted");
        await SqlAsync($"UPDATE pipelines SET status = 'START' WHERE id = {id}");
        StartPoller(_database);
        await ExpectRunningAsync(id);
        await SqlAsync($"DELETE FROM pipelines WHERE id = {id}");
        await ExpectAsync(new PipelineCommands.EnsureStopped(id));
    }

    [Fact]
    public async Task Should_send_a_running_pipeline_to_its_requests()
    {
        var id = await AddAsync("asked");
        await SqlAsync($"UPDATE pipelines SET status = 'START' WHERE id = {id}");
        StartPoller(_database);
        await ExpectRunningAsync(id);
        await new PipelineRequestRepository(_database).AddAsync(id, PipelineRequestKind.Refresh, null, null, "test", CancellationToken.None);
        await ExpectAsync(new PipelineCommands.LookForRequests(id));
    }

    [Fact]
    public async Task Should_let_pipelines_go_on_while_the_config_database_is_away()
    {
        var id = await AddAsync("on");
        await SqlAsync($"UPDATE pipelines SET status = 'START' WHERE id = {id}");
        StartPoller(_database);
        await ExpectRunningAsync(id);
        await _server.StopAsync(PostgresStopMode.Immediate);
        Advance(ConfigPollerActor.Interval);
        while (_region.HasMessages)
            Assert.IsType<PipelineCommands.EnsureRunning>(await _region.ReceiveOneAsync(Limit));
        Advance(TimeSpan.FromSeconds(1));
        await ExpectRunningAsync(id);
        await _server.StartAsync();
        await Wait.UntilAsync(() => SqlAsync($"UPDATE pipelines SET status = 'PAUSE' WHERE id = {id}").ContinueWith(
            static t => t.IsCompletedSuccessfully, TaskScheduler.Default), "the config database answers");
        await PollUntilAsync(new PipelineCommands.EnsureStopped(id));
    }

    void StartPoller(ConfigDatabase listenAt) => Sys.ActorOf(Props.Create(() => new ConfigPollerActor(
        _pipelines, new PipelineRequestRepository(_database), new ConfigListener(listenAt, NullLogger<ConfigListener>.Instance, null), _region.Ref)));

    /// <summary>A way to the config database on which nothing is ever heard.</summary>
    ConfigDatabase Deaf() => new(_server.ConnectionString("nowhere"), NullLogger<ConfigDatabase>.Instance);

    async Task<long> AddAsync(string name)
    {
        var source = await _sources.AddAsync(new NewSource($"source of {name}", "127.0.0.1", 5432, "app", "rosetta", new Secret("pw")), CancellationToken.None);
        var pipeline = await _pipelines.AddAsync(name, source.Value!.Id, CancellationToken.None);
        Assert.Equal(PipelineStatus.Pause, pipeline.Value!.Status);
        return pipeline.Value.Id;
    }

    Task<int> SqlAsync(string sql) => _server.ExecuteAsync(sql, "config");

    async Task<PipelineCommands.EnsureRunning> ExpectRunningAsync(long id) =>
        (PipelineCommands.EnsureRunning)await _region.FishForMessageAsync(
            m => m is PipelineCommands.EnsureRunning running && running.PipelineId == id, Limit);

    async Task ExpectAsync(object message) => await _region.FishForMessageAsync(m => m.Equals(message), Limit);

    /// <summary>Polls until the message comes: the database may still be on its way back.</summary>
    Task PollUntilAsync(object message) => Wait.UntilAsync(
        () =>
        {
            Advance(ConfigPollerActor.Interval);
            while (_region.HasMessages)
            {
                if (_region.ReceiveOne(TimeSpan.Zero) is { } received && received.Equals(message))
                    return true;
            }

            return false;
        },
        $"{message}", Limit);

    void Advance(TimeSpan time) => ((TestScheduler)Sys.Scheduler).Advance(time);
}
