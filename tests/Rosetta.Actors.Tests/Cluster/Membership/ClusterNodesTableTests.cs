using Akka.Event;
using Npgsql;
using Rosetta.Actors.Cluster.Membership;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Actors.Tests.Cluster.Membership;

[Collection(ConfigDatabaseDefinition.Name)]
public sealed class ClusterNodesTableTests(ConfigDatabase config) : IAsyncLifetime
{
    static readonly NodeDescription Node = new(new NodeKey("127.0.0.1:4053", 1), ["api"], "1.0.0");
    static readonly NodeDescription Other = new(new NodeKey("127.0.0.1:4054", -2), [], "1.0.0");

    string _name = null!;
    NpgsqlDataSource _database = null!;
    ClusterNodesTable _table = null!;

    public async Task InitializeAsync()
    {
        _name = await config.CreateAsync();
        _database = ClusterDataSource.Create(config.Server.ConnectionString(_name));
        _table = new ClusterNodesTable(_database, "rosetta");
    }

    public Task DisposeAsync() => _database.DisposeAsync().AsTask();

    [Fact]
    public async Task Should_read_what_nodes_wrote_about_themselves()
    {
        await RegisterAsync(Node, TimeSpan.FromSeconds(60));
        await RegisterAsync(Other);

        var rows = await ReadAsync();

        Assert.Equal([Node.Key, Other.Key], rows.Select(row => row.Key));
        Assert.Equal([true, false], rows.Select(row => row.FounderClaim));
        Assert.All(rows, row => Assert.Equal(NodeState.Starting, row.State));
        Assert.All(rows, row => Assert.InRange(row.HeartbeatAge, TimeSpan.Zero, TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task Should_keep_clusters_of_different_names_apart()
    {
        await RegisterAsync(Node);
        await new ClusterNodesTable(_database, "another").UnderLockAsync(
            async (transaction, cancellation) =>
            {
                await transaction.RegisterAsync(Node with { Key = new NodeKey(Node.Key.Address, 5) }, null, cancellation);
                return 0;
            },
            CancellationToken.None);

        Assert.Equal([Node.Key], (await ReadAsync()).Select(row => row.Key));
    }

    [Fact]
    public async Task Should_replace_the_row_of_an_earlier_process_but_keep_its_own_when_taken_out()
    {
        await RegisterAsync(Node);
        await MarkDownAsync(Node.Key);
        await RegisterAsync(Node);
        Assert.Equal(NodeState.Down, (await ReadAsync()).Single().State);

        var restarted = Node with { Key = new NodeKey(Node.Key.Address, 99) };
        await RegisterAsync(restarted);
        var row = (await ReadAsync()).Single();
        Assert.Equal((restarted.Key, NodeState.Starting, null), (row.Key, row.State, row.DownedBy));
    }

    [Fact]
    public async Task Should_take_out_only_the_incarnation_that_was_meant()
    {
        await RegisterAsync(Node);
        await MarkDownAsync(new NodeKey(Node.Key.Address, 98));
        Assert.Equal(NodeState.Starting, (await ReadAsync()).Single().State);
    }

    [Fact]
    public async Task Should_forget_only_nodes_that_were_silent_for_long()
    {
        await RegisterAsync(Node);
        await RegisterAsync(Other);
        await config.Server.ExecuteAsync("UPDATE cluster_nodes SET heartbeat = heartbeat - interval '2 days' WHERE uid = 1", _name);
        await _table.UnderLockAsync(
            async (transaction, cancellation) =>
            {
                await transaction.ForgetAsync(TimeSpan.FromDays(1), cancellation);
                return 0;
            },
            CancellationToken.None);
        Assert.Equal([Other.Key], (await ReadAsync()).Select(row => row.Key));
    }

    [Fact]
    public async Task Should_not_wait_for_ever_for_a_node_that_froze_while_it_held_the_lock()
    {
        await RegisterAsync(Node);
        var frozen = new TaskCompletionSource();
        var locked = new TaskCompletionSource();
        var holder = _table.UnderLockAsync(
            async (transaction, cancellation) =>
            {
                locked.SetResult();
                await frozen.Task;
                await transaction.MarkDownAsync([Node.Key], "frozen", cancellation);
                return 0;
            },
            CancellationToken.None);
        await locked.Task;

        await Wait.UntilAsync(async () => (await ReadAsync()).Count == 1, "another node to obtain the lock");

        frozen.SetResult();
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => holder);
        Assert.Equal(NodeState.Starting, (await ReadAsync()).Single().State);
    }

    [Fact]
    public async Task Should_beat_with_the_state_of_the_node_and_remove_its_row_in_the_end()
    {
        await RegisterAsync(Node, TimeSpan.FromSeconds(60));
        var lost = new TaskCompletionSource<HeartbeatVerdict>();
        using var heartbeat = Heartbeat(lost);
        heartbeat.Start();
        heartbeat.State = NodeState.Up;
        await Wait.UntilAsync(async () => (await ReadAsync()).Single() is { State: NodeState.Up, FounderClaim: false }, "state up");
        await Wait.UntilAsync(() => heartbeat.AnsweredFor > TimeSpan.FromMilliseconds(200), "several heartbeats");

        await config.Server.ExecuteAsync("DELETE FROM cluster_nodes", _name);
        await Wait.UntilAsync(async () => (await ReadAsync()).Count == 1, "the row to be written again");

        heartbeat.DeleteAndStop(TimeSpan.FromSeconds(30));
        Assert.Empty(await ReadAsync());
        Assert.False(lost.Task.IsCompleted);
    }

    [Fact]
    public async Task Should_find_out_that_it_was_taken_out_and_leave_the_record()
    {
        await RegisterAsync(Node);
        var lost = new TaskCompletionSource<HeartbeatVerdict>();
        using var heartbeat = Heartbeat(lost);
        heartbeat.Start();
        await MarkDownAsync(Node.Key);

        Assert.Equal(HeartbeatVerdict.TakenOut, await lost.Task.WaitAsync(Wait.DefaultDeadline));
        heartbeat.DeleteAndStop(TimeSpan.FromSeconds(30));
        Assert.Equal("tester", (await ReadAsync()).Single().DownedBy);
    }

    [Fact]
    public async Task Should_find_out_that_another_process_took_its_address_and_not_write_over_it()
    {
        await RegisterAsync(Node);
        var lost = new TaskCompletionSource<HeartbeatVerdict>();
        using var heartbeat = Heartbeat(lost);
        heartbeat.Start();
        var other = Node with { Key = new NodeKey(Node.Key.Address, 99) };
        await RegisterAsync(other);

        Assert.Equal(HeartbeatVerdict.Replaced, await lost.Task.WaitAsync(Wait.DefaultDeadline));
        Assert.Equal([other.Key], (await ReadAsync()).Select(row => row.Key));
    }

    [Fact]
    public async Task Should_beat_again_after_its_connection_was_cut()
    {
        await RegisterAsync(Node);
        var lost = new TaskCompletionSource<HeartbeatVerdict>();
        using var heartbeat = Heartbeat(lost);
        heartbeat.Start();
        await Wait.UntilAsync(() => heartbeat.AnsweredFor > TimeSpan.FromMilliseconds(200), "several heartbeats");

        await config.Server.KillBackendsAsync($"datname = '{_name}'");
        await config.Server.ExecuteAsync("UPDATE cluster_nodes SET heartbeat = heartbeat - interval '1 hour'", _name);

        await Wait.UntilAsync(async () => (await ReadAsync()).Single().HeartbeatAge < TimeSpan.FromMinutes(1), "a new heartbeat");
        await Wait.UntilAsync(() => heartbeat.AnsweredFor > TimeSpan.Zero, "the heartbeat to know that it is answered");
        Assert.False(lost.Task.IsCompleted);
    }

    NodeHeartbeat Heartbeat(TaskCompletionSource<HeartbeatVerdict> lost) =>
        new(_table, Node, TimeSpan.FromMilliseconds(50), lost.SetResult, NoLogger.Instance);

    Task<IReadOnlyList<NodeRow>> ReadAsync() =>
        _table.UnderLockAsync((transaction, cancellation) => transaction.ReadAsync(cancellation), CancellationToken.None);

    Task<int> RegisterAsync(NodeDescription node, TimeSpan? claim = null) => _table.UnderLockAsync(
        async (transaction, cancellation) =>
        {
            await transaction.RegisterAsync(node, claim, cancellation);
            return 0;
        },
        CancellationToken.None);

    Task<int> MarkDownAsync(NodeKey key) => _table.UnderLockAsync(
        async (transaction, cancellation) =>
        {
            await transaction.MarkDownAsync([key], "tester", cancellation);
            return 0;
        },
        CancellationToken.None);
}
