using Akka.Actor;
using Akka.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Rosetta.Actors.Cluster;
using Rosetta.Actors.Cluster.Membership;
using Rosetta.Actors.Cluster.Sharding;
using Rosetta.Actors.Cluster.Views;
using Rosetta.Actors.TestNode;
using Rosetta.Testing.Waiting;
using Xunit;
using ClusterSettings = Rosetta.Actors.Cluster.ClusterSettings;

namespace Rosetta.Actors.Tests.Cluster.Views;

/// <summary>Two nodes in this process.</summary>
[Collection(ConfigDatabaseDefinition.Name)]
public sealed class ClusterViewTests(ConfigDatabase config) : IAsyncLifetime
{
    readonly List<IHost> _hosts = [];
    NpgsqlDataSource _database = null!;

    public async Task InitializeAsync() =>
        _database = ClusterDataSource.Create(config.Server.ConnectionString(await config.CreateAsync()));

    public async Task DisposeAsync()
    {
        foreach (var host in _hosts)
        {
            await host.StopAsync();
            host.Dispose();
        }
        await _database.DisposeAsync();
        // A node that ends by itself asks for a non-zero exit code, of this process.
        Environment.ExitCode = 0;
    }

    [Fact]
    public async Task Should_show_members_pipelines_and_leader_from_any_node_and_let_one_leave()
    {
        var first = await StartAsync("api");
        var second = await StartAsync("api", "worker");
        var view = new ClusterView(second);
        await Wait.UntilAsync(async () => (await view.GetAsync(CancellationToken.None)).Members.Count(m => m.Status == "up") == 2, "two members");

        for (var id = 1; id <= 3; id++)
            ClusterShardingRegion(second).Tell(new EnsureEntity(id));
        await Wait.UntilAsync(async () => (await view.GetAsync(CancellationToken.None)).Shards.Count(s => s.Running) == 3, "three pipelines");

        var seen = await view.GetAsync(CancellationToken.None);
        var firstAddress = NodeKey.Of(Akka.Cluster.Cluster.Get(first).SelfUniqueAddress).Address;
        Assert.Equal([1L, 2L, 3L], seen.Members.SelectMany(m => m.Pipelines).Order());
        Assert.Equal([1L, 2L, 3L], seen.Shards.Select(s => s.PipelineId));
        Assert.Contains(seen.Leader, seen.Members.Select(m => m.Address));
        Assert.Equal(["api"], seen.Members.Single(m => m.Address == firstAddress).Roles);
        Assert.Equal(["api", "worker"], seen.Members.Single(m => m.IsSelf).Roles);
        Assert.All(seen.Members, m => Assert.StartsWith($"akka.tcp://rosetta@{m.Address}", m.AkkaAddress, StringComparison.Ordinal));
        Assert.Empty(seen.SilentRegions);

        Assert.Equal(ClusterCommandResult.NotAnAddress, view.Leave("nonsense"));
        Assert.Equal(ClusterCommandResult.NotAnAddress, view.Down(null));
        Assert.Equal(ClusterCommandResult.UnknownMember, view.Down("127.0.0.1:1"));

        Assert.Equal(ClusterCommandResult.Accepted, view.Leave(firstAddress));
        await Wait.UntilAsync(async () => (await view.GetAsync(CancellationToken.None)).Members.Count == 1, "one member");
        await first.WhenTerminated.WaitAsync(Wait.DefaultDeadline);
        Assert.Equal(0, ClusterExit.CodeFor(first));
    }

    [Fact]
    public async Task Should_take_out_a_member_by_command_and_tell_its_health()
    {
        var first = await StartAsync();
        var second = await StartAsync();
        var health = new ClusterHealth(second);
        await Wait.UntilAsync(() => health.Readiness().Healthy, "the second node to be ready");

        var address = NodeKey.Of(Akka.Cluster.Cluster.Get(second).SelfUniqueAddress).Address;
        Assert.Equal(ClusterCommandResult.Accepted, new ClusterView(first).Down(address));

        await second.WhenTerminated.WaitAsync(Wait.DefaultDeadline);
        Assert.False(health.Liveness().Healthy);
        Assert.False(health.Readiness().Healthy);
        Assert.Equal(ClusterExit.StartAgain, ClusterExit.CodeFor(second));
        await Wait.UntilAsync(() => new ClusterHealth(first).Readiness().Healthy, "the first node to stay");
    }

    static IActorRef ClusterShardingRegion(ActorSystem system) =>
        Akka.Cluster.Sharding.ClusterSharding.Get(system).ShardRegion(PipelineSharding.TypeName);

    async Task<ActorSystem> StartAsync(params string[] roles)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddAkka(ClusterSettings.SystemName, akka => akka
            .ConfigureLoggers(loggers => loggers.ClearLoggers())
            .AddRosettaCluster(new ClusterSettings { Port = 0, Roles = roles }, _database, TestWireJson.Messages));
        var host = builder.Build();
        _hosts.Add(host);
        await host.StartAsync();
        var system = host.Services.GetRequiredService<ActorSystem>();
        await PipelineSharding.StartAsync(
            system, id => Props.Create(() => new TestEntity(id, TimeSpan.Zero)), TestEntity.StopEntity.Instance)
            .WaitAsync(Wait.DefaultDeadline);
        return system;
    }
}
