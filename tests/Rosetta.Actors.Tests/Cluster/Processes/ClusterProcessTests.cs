using System.Collections.Concurrent;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.Actors.Tests.Cluster.Processes;

/// <summary>Whole nodes, in processes of their own, over one config database per test.</summary>
public abstract class ClusterProcessTests(ConfigDatabase config, ITestOutputHelper output) : IAsyncLifetime, IClassFixture<ConfigDatabase>
{
    protected const int Entities = 6;
    static readonly TimeSpan TakeOver = TimeSpan.FromSeconds(20);

    readonly List<TestNodeProcess> _nodes = [];

    protected static TimeSpan Patience { get; } = TimeSpan.FromSeconds(120);

    protected ConfigDatabase Config { get; } = config;

    protected PostgresServer Server => Config.Server;

    /// <summary>Name of this test's database.</summary>
    protected string Database { get; private set; } = null!;

    protected ConcurrentQueue<EntityEvent> Events { get; } = new();

    public async Task InitializeAsync() => Database = await Config.CreateAsync();

    public async Task DisposeAsync()
    {
        foreach (var node in _nodes)
            await node.DisposeAsync();
    }

    protected async Task<IReadOnlyList<TestNodeProcess>> StartTwoAsync(IReadOnlyDictionary<string, string?>? settings = null)
    {
        var first = Start("n1", settings);
        await first.WaitForMemberAsync();
        var second = Start("n2", settings);
        await second.WaitForMemberAsync();
        await AssertSharedAsync([first, second]);
        return [first, second];
    }

    protected TestNodeProcess Start(string name, IReadOnlyDictionary<string, string?>? settings = null, PostgresServer? server = null)
    {
        var all = new Dictionary<string, string?>(settings ?? new Dictionary<string, string?>());
        all.TryAdd("NODE_ENTITIES", $"{Entities}");
        // Balancing is not what is measured here.
        all.TryAdd("NODE_HOCON", "akka.cluster.sharding.rebalance-interval = 2s");
        var connectionString = server?.ConnectionString() ?? Server.ConnectionString(Database);
        var node = new TestNodeProcess(name, connectionString, output, Events, all);
        _nodes.Add(node);
        return node;
    }

    /// <summary>Waits until every entity runs and every node has some of them.</summary>
    protected Task AssertSharedAsync(IReadOnlyCollection<TestNodeProcess> nodes) => Wait.UntilAsync(
        () => nodes.All(node => RunningOn(node).Count > 0) && nodes.Sum(node => RunningOn(node).Count) == Entities
            && nodes.All(node => node.View is { } view && view.Shards.Count(shard => shard.Running) == Entities
                && view.Members.Sum(member => member.Pipelines.Count) == Entities),
        "the entities to be shared among the nodes", Patience);

    protected async Task AssertTakenOverAsync(TestNodeProcess dead, TestNodeProcess survivor, TimeSpan since)
    {
        var lost = RunningOn(dead);
        await Wait.UntilAsync(() => lost.All(id => RunningOn(survivor).Contains(id)), "the entities of the lost node", Patience);
        var last = Events.Where(e => e.Node == survivor.Name && e.What == "STARTED" && lost.Contains(e.Entity)).Max(e => e.At) - since;
        output.WriteLine($"taken over after {last.TotalSeconds:F1} s");
        Assert.True(last < TakeOver, $"it took {last.TotalSeconds:F1} s");
    }

    protected HashSet<int> RunningOn(TestNodeProcess node) =>
    [
        .. Events.Where(e => e.Node == node.Name && e.What is ("STARTED" or "STOPPED"))
            .GroupBy(e => e.Entity).Where(entity => entity.Last().What == "STARTED").Select(entity => entity.Key),
    ];

    protected EntityEvent Single(TestNodeProcess node, string what, int entity) =>
        Events.Single(e => e.Node == node.Name && e.What == what && e.Entity == entity);

    protected async Task<IReadOnlyList<string>> NamesInTableAsync(IReadOnlyList<TestNodeProcess> nodes)
    {
        var addresses = await Task.WhenAll(nodes.Select(async node => (node.Name, Address: await node.WaitForMemberAsync())));
        var rows = await Server.QueryAsync<string>("SELECT address FROM cluster_nodes ORDER BY address", Database);
        return [.. addresses.Where(node => rows.Contains(node.Address)).Select(node => node.Name)];
    }
}
