using System.Collections.Concurrent;
using Rosetta.Actors.Cluster;
using Rosetta.Testing.Network;
using Rosetta.Testing.Processes;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.Actors.Tests.Cluster.Processes;

/// <summary>Whole nodes, killed, frozen, stopped and cut off.</summary>
[Collection(ConfigDatabaseDefinition.Name)]
public sealed class ClusterProcessTests(ConfigDatabase config, ITestOutputHelper output) : IAsyncLifetime
{
    const int Entities = 6;
    static readonly TimeSpan TakeOver = TimeSpan.FromSeconds(20);
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    readonly ConcurrentQueue<EntityEvent> _events = new();
    readonly List<TestNodeProcess> _nodes = [];
    string _database = null!;

    PostgresServer Server => config.Server;

    public async Task InitializeAsync() => _database = await config.CreateAsync();

    public async Task DisposeAsync()
    {
        foreach (var node in _nodes)
            await node.DisposeAsync();
    }

    [Fact]
    public async Task Should_form_one_cluster_of_three_nodes_started_at_the_same_instant()
    {
        // With default ports, as they are started on one machine by hand: two of them fall back to a free one.
        var settings = new Dictionary<string, string?> { ["NODE_PORT"] = "", ["NODE_ENTITIES"] = "6" };
        var nodes = Enumerable.Range(1, 3).Select(number => Start($"n{number}", settings)).ToList();
        await Task.WhenAll(nodes.Select(node => node.WaitForMemberAsync()));

        await Wait.UntilAsync(
            () => nodes.All(node => node.View is { } view && view.Members.Count(m => m is { Status: "up", Reachable: true }) == 3),
            "each to see three members", Patience);
        await AssertSharedAsync(nodes);

        var states = await Server.QueryAsync<string>("SELECT state FROM cluster_nodes", _database);
        Assert.Equal(["up", "up", "up"], states);
        Assert.Single(nodes.Select(node => node.View!.Leader).Distinct());
        Assert.All(nodes[0].View!.Members, member => Assert.Equal("1.2.3", member.Version));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task Should_go_on_when_either_of_two_nodes_is_killed(int victim)
    {
        var nodes = await StartTwoAsync();
        var survivor = nodes[1 - victim];

        var killed = TestNodeProcess.Now;
        await nodes[victim].Process.KillAsync();
        await AssertTakenOverAsync(nodes[victim], survivor, killed);

        Assert.False(survivor.Process.HasExited);
        await Wait.UntilAsync(() => survivor.View!.Members.Count == 1, "the dead member to be gone", Patience);

        // A new process takes its place.
        var next = Start("n3");
        await next.WaitForMemberAsync();
        await AssertSharedAsync([survivor, next]);
    }

    [Fact]
    public async Task Should_hand_over_after_the_drain_when_a_node_is_stopped()
    {
        var nodes = await StartTwoAsync(new Dictionary<string, string?> { ["NODE_DRAIN_MS"] = "3000" });
        var moved = RunningOn(nodes[0]);
        var stopped = TestNodeProcess.Now;

        Assert.Equal(0, await nodes[0].Process.StopAsync(Patience));

        await Wait.UntilAsync(() => moved.All(id => RunningOn(nodes[1]).Contains(id)), "all entities on the other node", Patience);
        foreach (var id in moved)
        {
            var drained = Single(nodes[0], "DRAINED", id);
            Assert.True(drained.At - Single(nodes[0], "DRAINING", id).At > TimeSpan.FromSeconds(2), $"entity {id} did not have its time");
            var restarted = _events.Single(e => e.Node == nodes[1].Name && e.What == "STARTED" && e.Entity == id && e.At > stopped);
            Assert.True(restarted.At > drained.At, $"entity {id} ran twice");
        }
        Assert.Equal(["n2"], await NamesInTableAsync(nodes));
    }

    [Fact]
    public async Task Should_replace_a_frozen_node_which_ends_when_it_is_thawed()
    {
        var nodes = await StartTwoAsync();
        var frozen = TestNodeProcess.Now;
        nodes[0].Process.Freeze();
        await AssertTakenOverAsync(nodes[0], nodes[1], frozen);
        await Wait.UntilAsync(() => nodes[1].View!.Members.Count == 1, "the frozen member to be gone", Patience);

        nodes[0].Process.Thaw();

        Assert.Equal(ClusterExit.StartAgain, await nodes[0].Process.WaitForExitAsync(Patience));
        Assert.False(nodes[1].Process.HasExited);
        Assert.Equal(Entities, RunningOn(nodes[1]).Count);
        Assert.Equal("down", await Server.ScalarAsync<string>("SELECT state FROM cluster_nodes WHERE state <> 'up'", _database));
    }

    [Fact]
    public async Task Should_come_back_at_the_same_port_right_after_a_kill()
    {
        var settings = new Dictionary<string, string?> { ["NODE_PORT"] = $"{FreePorts.Next()}" };
        var first = Start("n1", settings);
        var address = await first.WaitForMemberAsync();
        await first.Process.KillAsync();

        var second = Start("n2", settings);

        Assert.Equal(address, await second.WaitForMemberAsync());
        await Wait.UntilAsync(() => RunningOn(second).Count == Entities, "all entities", Patience);
    }

    [Fact]
    public async Task Should_refuse_an_address_that_a_living_node_uses_and_leave_that_node_alone()
    {
        var first = Start("n1");
        var address = await first.WaitForMemberAsync();

        var second = Start("n2", new Dictionary<string, string?> { ["NODE_PUBLIC_PORT"] = address[(address.IndexOf(':') + 1)..] });

        await second.Process.WaitForLineAsync("Rosetta:Cluster:Hostname", Patience);
        Assert.Equal(ClusterExit.StartAgain, await second.Process.WaitForExitAsync(Patience));
        Assert.False(first.Process.HasExited);
        Assert.Equal("up", await Server.ScalarAsync<string>("SELECT state FROM cluster_nodes", _database));
    }

    [Fact]
    public async Task Should_take_nothing_out_while_the_database_is_away_and_go_on_when_it_is_back()
    {
        await using var own = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "config-away" });
        await own.ExecuteAsync(config.Schema);
        var nodes = new[] { Start("n1", server: own), Start("n2", server: own) };
        await Task.WhenAll(nodes.Select(node => node.WaitForMemberAsync()));
        await AssertSharedAsync(nodes);

        await own.StopAsync();
        await Task.WhenAll(nodes.Select(node => node.Process.WaitForLineAsync("does not answer", Patience)));
        await nodes[0].Process.KillAsync();
        await nodes[1].Process.WaitForLineAsync("nothing is taken out until it does", Patience);
        Assert.Equal(2, nodes[1].View!.Members.Count);

        await own.StartAsync();
        await Wait.UntilAsync(() => RunningOn(nodes[1]).Count == Entities, "all entities on the survivor", Patience);
    }

    [Fact]
    public async Task Should_keep_one_of_two_nodes_that_see_the_database_but_not_each_other()
    {
        await using var first = TcpProxy.Start("127.0.0.1", FreePorts.Next());
        await using var second = TcpProxy.Start("127.0.0.1", FreePorts.Next());
        Dictionary<string, string?> Behind(TcpProxy proxy) => new()
        {
            ["NODE_PORT"] = $"{proxy.Target.Port}",
            ["NODE_PUBLIC_PORT"] = $"{proxy.Port}",
        };
        var oldest = Start("n1", Behind(first));
        await oldest.WaitForMemberAsync();
        var youngest = Start("n2", Behind(second));
        await youngest.WaitForMemberAsync();
        await AssertSharedAsync([oldest, youngest]);

        foreach (var proxy in new[] { first, second })
        {
            proxy.Refuse();
            proxy.Cut();
        }

        Assert.Equal(ClusterExit.StartAgain, await youngest.Process.WaitForExitAsync(Patience));
        await Wait.UntilAsync(() => RunningOn(oldest).Count == Entities, "all entities on the side that stayed", Patience);
        Assert.False(oldest.Process.HasExited);
    }

    [Fact]
    public async Task Should_join_by_seed_nodes_when_they_are_set()
    {
        var ports = new[] { FreePorts.Next(), FreePorts.Next() };
        var seeds = string.Join(',', ports.Select(port => $"127.0.0.1:{port}"));
        var nodes = ports.Select((port, index) => Start(
            $"n{index + 1}", new Dictionary<string, string?> { ["NODE_PORT"] = $"{port}", ["NODE_SEEDS"] = seeds })).ToList();
        await Task.WhenAll(nodes.Select(node => node.WaitForMemberAsync()));
        await AssertSharedAsync(nodes);
    }

    async Task<IReadOnlyList<TestNodeProcess>> StartTwoAsync(IReadOnlyDictionary<string, string?>? settings = null)
    {
        var first = Start("n1", settings);
        await first.WaitForMemberAsync();
        var second = Start("n2", settings);
        await second.WaitForMemberAsync();
        await AssertSharedAsync([first, second]);
        return [first, second];
    }

    TestNodeProcess Start(string name, IReadOnlyDictionary<string, string?>? settings = null, PostgresServer? server = null)
    {
        var all = new Dictionary<string, string?>(settings ?? new Dictionary<string, string?>());
        all.TryAdd("NODE_ENTITIES", $"{Entities}");
        var connectionString = server?.ConnectionString() ?? Server.ConnectionString(_database);
        var node = new TestNodeProcess(name, connectionString, output, _events, all);
        _nodes.Add(node);
        return node;
    }

    /// <summary>Waits until every entity runs and every node has some of them.</summary>
    Task AssertSharedAsync(IReadOnlyCollection<TestNodeProcess> nodes) => Wait.UntilAsync(
        () => nodes.All(node => RunningOn(node).Count > 0) && nodes.Sum(node => RunningOn(node).Count) == Entities
            && nodes.All(node => node.View is { } view && view.Shards.Count(shard => shard.Running) == Entities
                && view.Members.Sum(member => member.Pipelines.Count) == Entities),
        "the entities to be shared among the nodes", Patience);

    async Task AssertTakenOverAsync(TestNodeProcess dead, TestNodeProcess survivor, TimeSpan since)
    {
        var lost = RunningOn(dead);
        await Wait.UntilAsync(() => lost.All(id => RunningOn(survivor).Contains(id)), "the entities of the lost node", Patience);
        var last = _events.Where(e => e.Node == survivor.Name && e.What == "STARTED" && lost.Contains(e.Entity)).Max(e => e.At) - since;
        output.WriteLine($"taken over after {last.TotalSeconds:F1} s");
        Assert.True(last < TakeOver, $"it took {last.TotalSeconds:F1} s");
    }

    HashSet<int> RunningOn(TestNodeProcess node) =>
    [
        .. _events.Where(e => e.Node == node.Name && e.What is ("STARTED" or "STOPPED"))
            .GroupBy(e => e.Entity).Where(entity => entity.Last().What == "STARTED").Select(entity => entity.Key),
    ];

    EntityEvent Single(TestNodeProcess node, string what, int entity) =>
        _events.Single(e => e.Node == node.Name && e.What == what && e.Entity == entity);

    async Task<IReadOnlyList<string>> NamesInTableAsync(IReadOnlyList<TestNodeProcess> nodes)
    {
        var addresses = await Task.WhenAll(nodes.Select(async node => (node.Name, Address: await node.WaitForMemberAsync())));
        var rows = await Server.QueryAsync<string>("SELECT address FROM cluster_nodes ORDER BY address", _database);
        return [.. addresses.Where(node => rows.Contains(node.Address)).Select(node => node.Name)];
    }
}
