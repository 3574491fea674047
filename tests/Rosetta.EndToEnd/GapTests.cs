using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.EndToEnd;

/// <summary>A slot that is not where we left it is a gap: the pipeline stops with a remedy, never skips, and a resync mends it.</summary>
public sealed class GapTests
{
    [Theory]
    [InlineData("SELECT pg_drop_replication_slot('rosetta_p1')")]
    [InlineData("SELECT pg_drop_replication_slot('rosetta_p1'); SELECT pg_create_logical_replication_slot('rosetta_p1', 'pgoutput')")]
    [InlineData("SELECT pg_replication_slot_advance('rosetta_p1', pg_current_wal_lsn())")]
    [InlineData("DROP PUBLICATION rosetta_p1")]
    public async Task Should_stop_at_a_gap_and_mend_it_by_a_resync(string damage)
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await installation.Source.ExecuteAsync(
            "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT n, 'x' FROM generate_series(1, 1000) n", Installation.Database);
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await node.Api.PostAsync($"pipelines/{pipeline}/pause");
        await WaitForStateAsync("STOPPED");
        await installation.Source.ExecuteAsync("UPDATE t SET v = 'missed' WHERE id <= 10; DELETE FROM t WHERE id > 990", Installation.Database);
        await installation.Source.ExecuteAsync(damage, Installation.Database);
        await installation.Source.ExecuteAsync("UPDATE t SET v = 'after' WHERE id BETWEEN 11 AND 20", Installation.Database);

        await node.Api.PostAsync($"pipelines/{pipeline}/start");
        await WaitForStateAsync("ERROR");
        var stopped = await Installation.PipelineAsync(node.Api, pipeline);
        Assert.Contains("resync", stopped.Runtime.Remedy, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(0, await CountAsync("v = 'after'"));

        await node.Api.PostAsync($"pipelines/{pipeline}/resync", new { destination_ids = (int[]?)null });
        await Wait.UntilAsync(async () => await CountAsync("v IN ('missed', 'after')") == 20 && await CountAsync("true") == 990, "the resync", Installation.Patience);
        await WaitForStateAsync("RUNNING");
        await installation.Source.ExecuteAsync("INSERT INTO t VALUES (5000, 'new')", Installation.Database);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        Assert.Equal(1, await CountAsync("v = 'new'"));

        Task<long> CountAsync(string where) => installation.Targets[0].ScalarAsync<long>($"SELECT count(*) FROM t WHERE {where}", Installation.Database);

        Task WaitForStateAsync(string state) => Wait.UntilAsync(
            async () => (await Installation.PipelineAsync(node.Api, pipeline)).Runtime.State == state, $"the pipeline to be {state}", Installation.Patience);
    }
}
