using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>A slot that is lost under load: one call makes another and brings what differs, at every destination, and nobody sees an empty table.</summary>
public sealed class LostSlotTests(ITestOutputHelper output)
{
    const int Rows = 100_000;
    const string Name = "large_table";

    [Fact]
    public async Task Should_mend_a_lost_slot_by_one_call_also_when_the_node_dies_and_the_slot_is_lost_again()
    {
        await using var installation = await Installation.StartAsync(targets: 2);
        await using var table = await LargeTable.CreateAsync(installation.Source, Rows, output.WriteLine);
        await using var followed = await Followed.StartAsync(installation, 200);
        var node = await installation.StartNodeAsync(new Dictionary<string, string?> { ["ROSETTA__PIPELINES__CHUNKROWS"] = "1000" });
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        table.Start(500);
        // The second one does not get on: somebody holds the table there.
        await using var holding = await installation.Targets[1].OpenAsync(Installation.Database);
        await using (var hold = new Npgsql.NpgsqlCommand($"BEGIN; LOCK TABLE {Name} IN SHARE MODE", holding))
            await hold.ExecuteNonQueryAsync();
        var before = table.Changes;
        await Wait.UntilAsync(() => table.Changes > before + 1_000, "changes that the second destination does not get", Installation.Patience);

        await DropSlotAsync();
        await Wait.UntilAsync(async () => (await Installation.PipelineAsync(node.Api, pipeline)).Runtime.State == "ERROR", "the gap to be seen", Installation.Patience);
        await using (var release = new Npgsql.NpgsqlCommand("ROLLBACK", holding))
            await release.ExecuteNonQueryAsync();
        await using var first = TableWatch.Start(installation.TargetConnection(0), Name);
        await using var second = TableWatch.Start(installation.TargetConnection(1), Name);
        await node.Api.PostAsync($"pipelines/{pipeline}/resync");

        await WaitForProgressAsync();
        await node.KillAsync();
        await node.StartAsync();
        await WaitForProgressAsync();
        await DropSlotAsync();
        await Wait.UntilAsync(
            async () => (await Installation.PipelineAsync(node.Api, pipeline)).Destinations.All(d => d.Tables?.Count > 0 && d.Tables.All(t => t.State is "STREAMING" or "INSERT_ONLY")),
            "every table to stream", Installation.Patience);
        await table.StopAsync();
        await followed.AssertEqualAsync(node.Api, pipeline);
        for (var i = 0; i < 2; i++)
            await table.AssertEqualAsync(installation, i);
        Assert.Equal("DONE", await installation.Config.ScalarAsync<string>("SELECT state FROM pipeline_requests WHERE kind = 'RESYNC'", "rosetta"));
        output.WriteLine($"{table.Changes} changes; fewest rows that a user saw: {first.Fewest} and {second.Fewest} in {first.Polls} and {second.Polls} looks");
        Assert.True(Math.Min(first.Fewest, second.Fewest) > Rows * 0.8, "A user saw a table without its rows.");

        // The node comes back at once, so the slot is taken from it and dropped in one go.
        Task DropSlotAsync() => Wait.UntilAsync(
            async () =>
            {
                try
                {
                    await installation.Source.ExecuteAsync(
                        $"SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE slot_name = 'rosetta_p{pipeline}' AND active; SELECT pg_drop_replication_slot('rosetta_p{pipeline}')",
                        Installation.Database);
                    return true;
                }
                catch (Npgsql.PostgresException e) when (e.SqlState == "55006")
                {
                    return false;
                }
            },
            "the slot to be dropped", Installation.Patience);

        Task WaitForProgressAsync() => Wait.UntilAsync(
            async () => await installation.Targets[0].ScalarAsync<bool>(
                $"SELECT EXISTS (SELECT FROM rosetta.tables WHERE source_table = '{Name}' AND copying = 'replace' AND copied_rows > {Rows / 10})", Installation.Database),
            "the resync to get some way", Installation.Patience);
    }
}
