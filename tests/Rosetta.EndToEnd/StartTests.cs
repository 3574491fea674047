using Rosetta.Client.Answers;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.EndToEnd;

/// <summary>A pipeline's first start opens its source and its destinations at the same time: either may be away while the other is there.</summary>
public sealed class StartTests
{
    const string Tables = "CREATE TABLE items (id int PRIMARY KEY, v text); INSERT INTO items SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i";

    [Fact]
    public async Task Should_reach_the_destination_store_nothing_and_let_go_of_it_while_the_source_is_away()
    {
        await using var installation = await Installation.StartAsync(targets: 1, network: true);
        await installation.Source.ExecuteAsync(Tables, Installation.Database);
        var node = await installation.StartNodeAsync();
        var id = await installation.CreatePipelineAsync(node.Api, start: false);
        installation.ProxyOf(installation.Source).Refuse();
        await node.Api.PostAsync($"pipelines/{id}/start");

        var seen = await SeenAsync(node, id, p => p.Runtime.LastError is not null);
        Assert.Contains("refused", seen.Runtime.LastError, StringComparison.OrdinalIgnoreCase);
        Assert.NotNull(seen.Runtime.Remedy);
        await Wait.UntilAsync(
            async () => await TargetAsync<bool>(installation, "SELECT to_regclass('rosetta.position') IS NOT NULL"), "the destination to be reached", Installation.Patience);
        // It is fine, and nothing about this pipeline is written there; who only waits does not keep a session.
        await Wait.UntilAsync(async () => await SessionsAsync(installation.Targets[0], id) == 0, "the destination to be let go of", Installation.Patience);
        Assert.Equal(0, await TargetAsync<long>(installation, "SELECT (SELECT count(*) FROM rosetta.position) + (SELECT count(*) FROM rosetta.tables) + (SELECT count(*) FROM rosetta.claims)"));
        Assert.Null((await Installation.PipelineAsync(node.Api, id)).Destinations.Single().LastError);

        installation.ProxyOf(installation.Source).Accept();
        await AssertCopiedAsync(installation, node, id);
    }

    [Fact]
    public async Task Should_show_the_destination_that_is_away_and_keep_nothing_open_at_the_source_meanwhile()
    {
        await using var installation = await Installation.StartAsync(targets: 1, network: true);
        await installation.Source.ExecuteAsync(Tables, Installation.Database);
        var node = await installation.StartNodeAsync();
        var id = await installation.CreatePipelineAsync(node.Api, start: false);
        installation.ProxyOf(installation.Targets[0]).Refuse();
        await node.Api.PostAsync($"pipelines/{id}/start");

        var seen = await SeenAsync(node, id, p => p.Destinations.Single().LastError is not null && p.Runtime.ConfirmedLsn is not null);
        Assert.Contains("refused", seen.Destinations.Single().LastError, StringComparison.OrdinalIgnoreCase);
        Assert.NotNull(seen.Destinations.Single().Remedy);
        Assert.Null(seen.Runtime.LastError);
        // The slot is made and stays; the walsender that made it, and was kept for a snapshot, ends.
        await Wait.UntilAsync(
            async () => await installation.Source.ScalarAsync<long>($"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender' AND application_name LIKE 'rosetta/%/p{id}/%'") == 0,
            "walsenders to end", Installation.Patience);
        Assert.Equal($"rosetta_p{id}", await installation.Source.ScalarAsync<string>("SELECT string_agg(slot_name, ',') FROM pg_replication_slots"));

        installation.ProxyOf(installation.Targets[0]).Accept();
        await AssertCopiedAsync(installation, node, id);
    }

    [Fact]
    public async Task Should_leave_no_session_of_a_pipeline_that_is_stopped_while_a_transaction_holds_up_its_slot()
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await installation.Source.ExecuteAsync(Tables, Installation.Database);
        var node = await installation.StartNodeAsync();
        await using var holder = new Npgsql.NpgsqlConnection(installation.SourceConnection);
        await holder.OpenAsync();
        await using var open = await holder.BeginTransactionAsync();
        await using (var write = new Npgsql.NpgsqlCommand("CREATE TABLE unseen (id int); SELECT txid_current()", holder, open))
            await write.ExecuteNonQueryAsync();
        var id = await installation.CreatePipelineAsync(node.Api);
        await SeenAsync(node, id, p => p.Runtime.LastError?.Contains("replication slot", StringComparison.Ordinal) == true);
        await Wait.UntilAsync(async () => await SessionsAsync(installation.Targets[0], id) == 0, "the destination to be let go of", Installation.Patience);

        await node.Api.PostAsync($"pipelines/{id}/pause");
        await SeenAsync(node, id, p => p.Runtime.State == "STOPPED");
        foreach (var server in (PostgresServer[])[installation.Source, installation.Targets[0]])
            await Wait.UntilAsync(async () => await SessionsAsync(server, id) == 0, "its sessions to end", Installation.Patience);
        await open.CommitAsync();
        await node.Api.PostAsync($"pipelines/{id}/start");
        await AssertCopiedAsync(installation, node, id);
    }

    static async Task AssertCopiedAsync(Installation installation, NodeProcess node, int id)
    {
        await installation.WaitUntilCaughtUpAsync(node.Api, id);
        Assert.Equal(20_000, await TargetAsync<long>(installation, "SELECT count(*) FROM items"));
        Assert.Equal($"rosetta_p{id}", await installation.Source.ScalarAsync<string>("SELECT string_agg(slot_name, ',') FROM pg_replication_slots"));
        // One streams; what the copy had, and what was kept for it, has ended.
        await Wait.UntilAsync(
            async () => await installation.Source.ScalarAsync<long>($"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender' AND application_name LIKE 'rosetta/%/p{id}/%'") == 1,
            "one walsender to be left", Installation.Patience);
        Assert.Equal(0, await installation.Source.ScalarAsync<long>("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'rosetta/%' AND state = 'idle in transaction'"));
    }

    static async Task<Pipeline> SeenAsync(NodeProcess node, int id, Func<Pipeline, bool> condition)
    {
        Pipeline? seen = null;
        await Wait.UntilAsync(async () => condition(seen = await Installation.PipelineAsync(node.Api, id)), "the pipeline to show it", Installation.Patience);
        return seen!;
    }

    static Task<T?> TargetAsync<T>(Installation installation, string sql) => installation.Targets[0].ScalarAsync<T>(sql, Installation.Database);

    static Task<long> SessionsAsync(PostgresServer server, int id) =>
        server.ScalarAsync<long>($"SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'rosetta/%/p{id}/e%'");
}
