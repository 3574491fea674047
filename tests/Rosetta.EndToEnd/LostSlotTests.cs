using Rosetta.Client.Answers;
using Rosetta.Client.Requests;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Equality;
using Rosetta.Testing.Processes;
using Rosetta.Testing.Servers;
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

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Should_say_that_the_source_has_invalidated_the_slot_and_mend_it_by_one_call(bool paused)
    {
        await using var installation = await Installation.StartAsync(targets: 1, source: new PostgresServerOptions
        {
            // As little as makes the server let go of a slot.
            Settings = new Dictionary<string, string> { ["max_slot_wal_keep_size"] = "1MB", ["max_wal_size"] = "32MB", ["min_wal_size"] = "32MB" },
        });
        await using var table = await LargeTable.CreateAsync(installation.Source, Rows / 4, output.WriteLine);
        await installation.Source.ExecuteAsync("CREATE TABLE filler (id int PRIMARY KEY, v text)", Installation.Database);
        var node = await installation.StartNodeAsync(new Dictionary<string, string?> { ["WAL_MONITOR_INTERVAL_SECONDS"] = "2" });
        var pipeline = await installation.CreatePipelineAsync(node.Api, tables: [new TableSync("large_table")]);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await using var holding = await installation.Targets[0].OpenAsync(Installation.Database);
        await using var hold = new Npgsql.NpgsqlCommand($"BEGIN; LOCK TABLE {Name} IN SHARE MODE", holding);
        if (paused)
        {
            await node.Api.PostAsync($"pipelines/{pipeline}/pause");
            await WaitForStateAsync("STOPPED");
        }
        else
        {
            // It runs, and its destination cannot take anything.
            await hold.ExecuteNonQueryAsync();
        }

        await installation.Source.ExecuteAsync($"UPDATE {Name} SET n = 7 WHERE id % 10 = 1; DELETE FROM {Name} WHERE id % 10 = 2", Installation.Database);
        await Wait.UntilAsync(
            async () =>
            {
                await installation.Source.ExecuteAsync("INSERT INTO filler SELECT i, repeat('x', 1000) FROM generate_series(1, 4000) i ON CONFLICT (id) DO UPDATE SET v = filler.v || 'y'", Installation.Database);
                await installation.Source.ExecuteAsync("SELECT pg_switch_wal()");
                await installation.Source.ExecuteAsync("CHECKPOINT");
                return await installation.Source.ScalarAsync<string>("SELECT wal_status FROM pg_replication_slots") == "lost";
            },
            "the source to let go of the slot", Installation.Patience);
        if (paused)
        {
            // Somebody is told before it is started again.
            await Wait.UntilAsync(
                async () => await installation.Config.ScalarAsync<long>("SELECT count(*) FROM notifications WHERE message LIKE '%invalidated%' AND remedy LIKE '%resync%'", "rosetta") == 1,
                "a notification", Installation.Patience);
            await node.Api.PostAsync($"pipelines/{pipeline}/start");
        }

        await WaitForStateAsync("ERROR");
        var stopped = (await Installation.PipelineAsync(node.Api, pipeline)).Runtime;
        Assert.Contains("invalidated by the source", stopped.LastError, StringComparison.Ordinal);
        Assert.Contains($"/pipelines/{pipeline}/resync", stopped.Remedy, StringComparison.Ordinal);
        Assert.Contains("max_slot_wal_keep_size", stopped.Remedy, StringComparison.Ordinal);
        var shown = await ProgramRun.RosettaAsync(node.Address, "status");
        foreach (var part in (string[])["ERROR", "invalidated by the source", "resync", "max_slot_wal_keep_size"])
            Assert.Contains(part, shown.Words, StringComparison.Ordinal);
        if (!paused)
        {
            hold.CommandText = "ROLLBACK";
            await hold.ExecuteNonQueryAsync();
        }

        await using var watch = TableWatch.Start(installation.TargetConnection(0), Name);
        var resync = await ProgramRun.RosettaAsync(node.Address, "resync pipeline --yes --wait");
        output.WriteLine(resync.Errors + resync.Output);
        Assert.True(resync.ExitCode == 0, resync.Errors);
        await WaitForStateAsync("RUNNING");
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await table.AssertEqualAsync(installation);
        Assert.True(watch.Fewest > Rows / 4 * 0.8, $"A user saw a table of {watch.Fewest} rows.");

        Task WaitForStateAsync(string state) => Wait.UntilAsync(
            async () => (await Installation.PipelineAsync(node.Api, pipeline)).Runtime.State == state, $"the pipeline to be {state}", Installation.Patience);
    }

    [Fact]
    public async Task Should_stop_at_a_standby_that_was_promoted_without_the_slot_and_mend_it_by_one_call()
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await using var table = await LargeTable.CreateAsync(installation.Source, Rows / 4, output.WriteLine);
        await using var standby = await installation.Source.StartStandbyAsync();
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        table.Start(500);
        await Wait.UntilAsync(() => table.Changes > 500, "some changes", Installation.Patience);
        await table.StopAsync();
        await Wait.UntilAsync(
            async () => Installation.Lsn(await standby.ScalarAsync<string>("SELECT pg_last_wal_replay_lsn()::text")) >= Installation.Lsn(await installation.Source.ScalarAsync<string>("SELECT pg_current_wal_lsn()::text")),
            "the standby to have what there is", Installation.Patience);

        // What comes now the destination gets and the standby does not: the source that goes on has never had it.
        await standby.StopAsync();
        await installation.Source.ExecuteAsync($"UPDATE {Name} SET n = -5 WHERE id % 100 = 3; INSERT INTO {Name} SELECT 5000000 + i, 0, now(), 'lost', NULL FROM generate_series(1, 500) i; DELETE FROM {Name} WHERE id % 100 = 4", Installation.Database);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await installation.Source.CrashAsync();
        await standby.StartAsync();
        await standby.PromoteAsync();
        await standby.ExecuteAsync($"UPDATE {Name} SET n = 9 WHERE id % 100 = 5; INSERT INTO {Name} SELECT 6000000 + i, 0, now(), 'new', NULL FROM generate_series(1, 500) i", Installation.Database);

        var source = (await node.Api.GetAsync("sources")).As<Page<Source>>().Items.Single();
        await node.Api.PostAsync($"pipelines/{pipeline}/pause");
        await WaitForStateAsync("STOPPED");
        await node.Api.PutAsync($"sources/{source.Id}", new NewSource(source.Name, "127.0.0.1", standby.Port, Installation.Database, "postgres", null));
        await node.Api.PostAsync($"pipelines/{pipeline}/start");
        await WaitForStateAsync("ERROR");
        var stopped = (await Installation.PipelineAsync(node.Api, pipeline)).Runtime;
        output.WriteLine($"{stopped.LastError} {stopped.Remedy}");
        Assert.Contains("timeline 2", stopped.LastError, StringComparison.Ordinal);
        Assert.Contains($"rosetta_p{pipeline}", stopped.LastError, StringComparison.Ordinal);
        Assert.Contains($"/pipelines/{pipeline}/resync", stopped.Remedy, StringComparison.Ordinal);
        Assert.Contains("timeline 2", (await ProgramRun.RosettaAsync(node.Address, "status")).Words, StringComparison.Ordinal);
        Assert.Equal(0, await installation.Targets[0].ScalarAsync<long>($"SELECT count(*) FROM {Name} WHERE t = 'new'", Installation.Database));

        await using var watch = TableWatch.Start(installation.TargetConnection(0), Name);
        var resync = await ProgramRun.RosettaAsync(node.Address, "resync pipeline --yes --wait");
        output.WriteLine(resync.Errors + resync.Output);
        Assert.True(resync.ExitCode == 0, resync.Errors);
        await WaitForStateAsync("RUNNING");
        await Wait.UntilAsync(
            async () => (await Installation.PipelineAsync(node.Api, pipeline)).Destinations[0].Tables!.All(t => t.State == "STREAMING"), "every table to stream", Installation.Patience);
        await standby.ExecuteAsync($"INSERT INTO {Name} VALUES (7000000, 0, now(), 'after', NULL)", Installation.Database);
        await Wait.UntilAsync(
            async () => await installation.Targets[0].ScalarAsync<long>($"SELECT count(*) FROM {Name} WHERE t = 'after'", Installation.Database) == 1, "changes to be followed", Installation.Patience);
        var result = await DatabaseComparison.CompareAsync(standby.ConnectionString(Installation.Database), installation.TargetConnection(0), [TablePair.Same("public", "large_table")]);
        Assert.True(result.Equal, result.ToString());
        Assert.Equal(0, await installation.Targets[0].ScalarAsync<long>($"SELECT count(*) FROM {Name} WHERE t = 'lost'", Installation.Database));
        Assert.True(watch.Fewest > Rows / 4 * 0.8, $"A user saw a table of {watch.Fewest} rows.");

        Task WaitForStateAsync(string state) => Wait.UntilAsync(
            async () => (await Installation.PipelineAsync(node.Api, pipeline)).Runtime.State == state, $"the pipeline to be {state}", Installation.Patience);
    }
}
