using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>One table is paused and goes on, beside others that do not notice; and what the node tells of rows and tables.</summary>
public sealed class PauseTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Should_pause_and_resume_one_table_and_tell_how_many_rows_flow_and_what_changed_of_the_tables()
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await installation.Source.ExecuteAsync("CREATE TABLE other (id int PRIMARY KEY, v text)", Installation.Database);
        await using var table = await LargeTable.CreateAsync(installation.Source, 20_000, output.WriteLine);
        var node = await installation.StartNodeAsync(new Dictionary<string, string?> { ["ROSETTA__PIPELINES__CHUNKROWS"] = "2000", ["WAL_MONITOR_INTERVAL_SECONDS"] = "3" });
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        table.Start(300);
        var id = (await Installation.DestinationIdsAsync(node.Api, pipeline))[0];
        var path = $"pipelines/{pipeline}/destinations/{id}/tables/{LargeTable.Name}";
        var refused = await Assert.ThrowsAsync<Rosetta.Client.ApiException>(() => node.Api.PostAsync($"{path}/resume"));
        Assert.Contains("neither paused", refused.Message, StringComparison.Ordinal);

        await node.Api.PostAsync($"{path}/pause");
        await UntilAsync("PAUSED");
        // The destination has it as stopped; nothing more arrives, also from a node that comes after.
        await Wait.UntilAsync(
            async () => await installation.Targets[0].ScalarAsync<long>("SELECT count(*) FROM rosetta.tables WHERE source_table = 'large_table' AND stop_reason IS NOT NULL", Installation.Database) == 1,
            "the pause to be stored", Installation.Patience);
        var before = await StampAsync();
        await node.KillAsync();
        await node.StartAsync();
        await installation.Source.ExecuteAsync("INSERT INTO other SELECT i, 'v' FROM generate_series(1, 100) i; ALTER TABLE other ADD COLUMN note text", Installation.Database);
        await Wait.UntilAsync(async () => await installation.Targets[0].ScalarAsync<long>("SELECT count(*) FROM other", Installation.Database) == 100, "the other table to go on", Installation.Patience);
        Assert.Equal(before, await StampAsync());

        await node.Api.PostAsync($"{path}/resume");
        await UntilAsync("STREAMING");
        await table.StopAsync();
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await table.AssertEqualAsync(installation);

        await Wait.UntilAsync(
            async () => (await node.Api.GetAsync($"pipelines/{pipeline}/monitoring?hours=1")).As<Flows>().Items.Where(f => f.Table == "public.other").Sum(f => f.Inserted) == 100,
            "the flow to be told", Installation.Patience);
        var source = (await Installation.PipelineAsync(node.Api, pipeline)).SourceId;
        await Wait.UntilAsync(
            async () => (await node.Api.GetAsync($"sources/{source}/schema-history")).As<History>().Items.Any(c => c is { Table: "public.other", Change: "CHANGED" }),
            "the changed table to be told", Installation.Patience);

        Task<string?> StampAsync() => installation.Targets[0].ScalarAsync<string>("SELECT count(*) || ' ' || sum(n) FROM large_table", Installation.Database);

        Task UntilAsync(string state) => Wait.UntilAsync(
            async () => (await Installation.PipelineAsync(node.Api, pipeline)).Destinations[0].Tables?.Any(t => t.Table == LargeTable.Name && t.State == state) == true,
            $"the table to be {state}", Installation.Patience);
    }

    sealed record Flows(IReadOnlyList<Flow> Items);

    sealed record Flow(string Table, long Inserted);

    sealed record History(IReadOnlyList<Entry> Items);

    sealed record Entry(string Table, string Change);
}
