using Rosetta.Actors.Cluster;
using Rosetta.Testing.Network;
using Rosetta.Testing.Processes;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.Actors.Tests.Cluster.Processes;

/// <summary>Nodes that are killed, frozen, stopped and cut off.</summary>
public sealed class ClusterFailoverTests(ConfigDatabase config, ITestOutputHelper output) : ClusterProcessTests(config, output)
{
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
            var restarted = Events.Single(e => e.Node == nodes[1].Name && e.What == "STARTED" && e.Entity == id && e.At > stopped);
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
        Assert.Equal("down", await Server.ScalarAsync<string>("SELECT state FROM cluster_nodes WHERE state <> 'up'", Database));
    }

    [Fact]
    public async Task Should_take_nothing_out_while_the_database_is_away_and_go_on_when_it_is_back()
    {
        await using var own = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "config-away" });
        await own.ExecuteAsync(Config.Schema);
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
    public async Task Should_keep_a_node_that_froze_for_a_moment_only()
    {
        var nodes = await StartTwoAsync();
        // Nothing is left to be balanced, so that any change would be a take-over.
        await Wait.UntilAsync(() => nodes.All(node => RunningOn(node).Count == Entities / nodes.Count), "an even share", Patience);
        var before = Events.Count;
        nodes[0].Process.Freeze();
        await nodes[1].Process.WaitForLineAsync("is unreachable; the config database is asked", Patience);
        nodes[0].Process.Thaw();

        await nodes[1].Process.WaitForLineAsync("is reachable again", Patience);
        await Wait.UntilAsync(() => nodes.All(node => node.View!.Members.Count(m => m.Reachable) == 2), "both to see each other", Patience);
        Assert.Equal(before, Events.Count);
        Assert.All(nodes, node => Assert.False(node.Process.HasExited));
    }

    [Fact]
    public async Task Should_let_a_killed_node_back_in_at_the_same_port_while_it_still_counts_as_a_member()
    {
        var port = new Dictionary<string, string?> { ["NODE_PORT"] = $"{FreePorts.Next()}" };
        var first = Start("n1");
        await first.WaitForMemberAsync();
        var second = Start("n2", port);
        await second.WaitForMemberAsync();
        await AssertSharedAsync([first, second]);
        await second.Process.KillAsync();

        var third = Start("n3", port);

        await third.WaitForMemberAsync();
        await Wait.UntilAsync(
            () => RunningOn(first).Union(RunningOn(third)).Count() == Entities && first.View!.Members.Count(m => m.Reachable) == 2,
            "all entities on the two", Patience);
        Assert.False(first.Process.HasExited);
    }
}
