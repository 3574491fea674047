using Rosetta.Actors.Cluster;
using Rosetta.Testing.Processes;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.Actors.Tests.Cluster.Processes;

/// <summary>Nodes that start, together, again, or in each other's way.</summary>
public sealed class ClusterJoinTests(ConfigDatabase config, ITestOutputHelper output) : ClusterProcessTests(config, output)
{
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

        var states = await Server.QueryAsync<string>("SELECT state FROM cluster_nodes", Database);
        Assert.Equal(["up", "up", "up"], states);
        Assert.Single(nodes.Select(node => node.View!.Leader).Distinct());
        Assert.All(nodes[0].View!.Members, member => Assert.Equal("1.2.3", member.Version));
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
        Assert.Equal("up", await Server.ScalarAsync<string>("SELECT state FROM cluster_nodes", Database));
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

    [Fact]
    public async Task Should_wait_for_a_database_that_is_not_there_yet_and_stop_at_once_when_told_to()
    {
        await using var late = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "config-late" });
        await late.ExecuteAsync(Config.Schema);
        await late.StopAsync();
        var waiting = Start("n1", server: late);
        var impatient = Start("n2", server: late);
        await Task.WhenAll(new[] { waiting, impatient }.Select(node =>
            node.Process.WaitForLineAsync("waiting for the config database", Patience)));

        Assert.Equal(0, await impatient.Process.StopAsync(TimeSpan.FromSeconds(30)));

        await late.StartAsync();
        await waiting.WaitForMemberAsync();
    }
}
