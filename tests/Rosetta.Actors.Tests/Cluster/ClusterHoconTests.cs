using Akka.Actor;
using Akka.Cluster;
using Akka.Cluster.Sharding;
using Akka.Configuration;
using Akka.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Rosetta.Actors.Cluster;
using Rosetta.Actors.Cluster.Downing;
using Rosetta.Actors.Cluster.Serialization;
using Xunit;
using ClusterSettings = Rosetta.Actors.Cluster.ClusterSettings;

namespace Rosetta.Actors.Tests.Cluster;

/// <summary>The values that a started actor system really has, whatever the files say.</summary>
public sealed class ClusterHoconTests : IAsyncLifetime
{
    // Nothing listens there: a node without its database starts, and waits.
    readonly NpgsqlDataSource _database = NpgsqlDataSource.Create("Host=127.0.0.1;Port=1;Username=nobody;Timeout=1");
    ServiceProvider _services = null!;
    ActorSystem _system = null!;

    Config Config => _system.Settings.Config;

    public Task InitializeAsync()
    {
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddAkka("rosetta", builder => builder
            .ConfigureLoggers(loggers => loggers.ClearLoggers())
            .AddRosettaCluster(
                new ClusterSettings { Port = 0, Roles = ["api", "worker"], Version = "4.5.6" }, _database, new WireMessages([])));
        _services = services.BuildServiceProvider();
        _system = _services.GetRequiredService<ActorSystem>();
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await _system.Terminate();
        await _services.DisposeAsync();
        await _database.DisposeAsync();
    }

    [Theory]
    [InlineData("akka.remote.dot-netty.tcp.hostname", "127.0.0.1")]
    [InlineData("akka.remote.dot-netty.tcp.public-hostname", "127.0.0.1")]
    [InlineData("akka.remote.dot-netty.tcp.port", "0")]
    [InlineData("akka.cluster.app-version", "4.5.6")]
    [InlineData("akka.cluster.down-removal-margin", "0s")]
    [InlineData("akka.cluster.run-coordinated-shutdown-when-down", "on")]
    [InlineData("akka.cluster.split-brain-resolver.down-all-when-unstable", "off")]
    [InlineData("akka.cluster.use-dispatcher", "rosetta-cluster-dispatcher")]
    [InlineData("akka.remote.use-dispatcher", "rosetta-cluster-dispatcher")]
    [InlineData("akka.cluster.sharding.state-store-mode", "ddata")]
    [InlineData("akka.coordinated-shutdown.exit-clr", "off")]
    public void Should_have_the_effective_value(string key, string value) => Assert.Equal(value, Config.GetString(key));

    [Theory]
    [InlineData("akka.coordinated-shutdown.phases.cluster-sharding-shutdown-region.timeout", 45)]
    [InlineData("akka.coordinated-shutdown.phases.cluster-exiting.timeout", 10)]
    [InlineData("akka.cluster.sharding.handoff-timeout", 60)]
    [InlineData("rosetta.cluster.stable-after", 3)]
    [InlineData("rosetta.cluster.heartbeat-stale-after", 4)]
    [InlineData("rosetta.cluster.partition-stable-after", 10)]
    [InlineData("rosetta.cluster.partition-grace", 10)]
    [InlineData("rosetta.cluster.database-settled-after", 6)]
    [InlineData("rosetta.cluster.heartbeat-interval", 1)]
    [InlineData("akka.cluster.failure-detector.heartbeat-interval", 1)]
    [InlineData("akka.cluster.failure-detector.acceptable-heartbeat-pause", 5)]
    public void Should_have_the_effective_time(string key, int seconds) => Assert.Equal(TimeSpan.FromSeconds(seconds), Config.GetTimeSpan(key));

    [Fact]
    public void Should_keep_the_keys_that_follow_each_other_in_a_file()
    {
        // The parser loses siblings silently when it meets something it does not know.
        Assert.Equal(2, Config.GetInt("akka.cluster.sharding.least-shard-allocation-strategy.rebalance-absolute-limit"));
        Assert.Equal(0.1, Config.GetDouble("akka.cluster.sharding.least-shard-allocation-strategy.rebalance-relative-limit"));
        Assert.Equal(TimeSpan.FromSeconds(10), Config.GetTimeSpan("akka.cluster.sharding.rebalance-interval"));
        Assert.Equal(TimeSpan.FromSeconds(3), Config.GetTimeSpan("akka.cluster.sharding.updating-state-timeout"));
        Assert.Equal(10_000, Config.GetInt("akka.cluster.sharding.buffer-size"));
    }

    [Fact]
    public void Should_shard_in_memory_without_remembering_or_passivating()
    {
        // As PipelineSharding does; loading the extension adds the library's own defaults below ours.
        ClusterSharding.Get(_system);
        var sharding = ClusterShardingSettings.Create(_system);
        Assert.Equal(StateStoreMode.DData, sharding.StateStoreMode);
        Assert.False(sharding.RememberEntities);
        Assert.Equal(TimeSpan.Zero, sharding.PassivateIdleEntityAfter);
        Assert.Empty(Config.GetStringList("akka.cluster.sharding.distributed-data.durable.keys"));
        Assert.Empty(Config.GetStringList("akka.cluster.distributed-data.durable.keys"));
    }

    [Fact]
    public void Should_leave_downing_to_the_config_database_without_a_margin()
    {
        var cluster = Akka.Cluster.Cluster.Get(_system);
        Assert.IsType<ConfigDatabaseDowningProvider>(cluster.DowningProvider);
        Assert.Equal(TimeSpan.Zero, cluster.DowningProvider.DownRemovalMargin);
        Assert.Equal(TimeSpan.FromSeconds(1), cluster.Settings.HeartbeatInterval);
        Assert.Empty(cluster.Settings.SeedNodes);
        Assert.Equal(["api", "worker"], cluster.SelfRoles.Order());
    }

    [Fact]
    public void Should_give_pipelines_45_seconds_to_drain() =>
        Assert.Equal(
            TimeSpan.FromSeconds(45),
            CoordinatedShutdown.Get(_system).Timeout(CoordinatedShutdown.PhaseClusterShardingShutdownRegion));

    [Fact]
    public void Should_refuse_to_serialize_a_type_that_has_no_serializer_of_its_own()
    {
        Assert.False(Config.GetBoolean("akka.actor.serialization-settings.allow-unregistered-types"));
        Assert.ThrowsAny<Exception>(() => _system.Serialization.FindSerializerFor(new NotForTheWire()).ToBinary(new NotForTheWire()));
    }

    [Fact]
    public void Should_serialize_wire_messages_by_its_own_serializer() =>
        Assert.IsType<RosettaSerializer>(_system.Serialization.FindSerializerForType(typeof(IRosettaWireMessage)));

    [Fact]
    public void Should_start_without_a_database_and_join_nothing() =>
        Assert.Equal(MemberStatus.Removed, Akka.Cluster.Cluster.Get(_system).SelfMember.Status);

    sealed record NotForTheWire;
}
