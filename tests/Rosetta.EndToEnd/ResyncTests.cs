using Npgsql;
using Rosetta.Client.Answers;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>Tables that are copied while they change: nothing stale, nothing lost, nothing emptied, whatever dies meanwhile.</summary>
public sealed class ResyncTests(ITestOutputHelper output)
{
    const int Rows = 200_000;
    const string Name = "large_table";

    [Fact]
    public async Task Should_mend_a_damaged_table_under_load_and_go_on_where_a_killed_node_was()
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await using var table = await LargeTable.CreateAsync(installation.Source, Rows, output.WriteLine);
        await using var followed = await Followed.StartAsync(installation, 300);
        var node = await installation.StartNodeAsync(new Dictionary<string, string?> { ["ROSETTA__PIPELINES__CHUNKROWS"] = "2000" });
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        followed.Watch();
        table.Start(1_000);

        var target = installation.Targets[0];
        // 0.01 % of the rows and some that do not belong there.
        await target.ExecuteAsync(
            $"DELETE FROM {Name} WHERE id % 20000 = 77; UPDATE {Name} SET n = -5, big = 'damaged' WHERE id % 20000 = 150; INSERT INTO {Name} SELECT -1000000 - i, 0, now(), 'extra', NULL FROM generate_series(1, 20) i",
            Installation.Database);
        await using var users = TableWatch.Start(installation.TargetConnection(0), Name);
        var id = (await Installation.DestinationIdsAsync(node.Api, pipeline))[0];
        await node.Api.PostAsync($"pipelines/{pipeline}/destinations/{id}/tables/public.{Name}/resync");

        await AssertGoesOnAfterKillsAsync(installation, node, pipeline, table, followed, 0.1, 0.5, 0.52, 0.54, 0.56, 0.9);
        output.WriteLine($"fewest rows that a user saw: {users.Fewest} in {users.Polls} looks");
        Assert.True(users.Fewest > Rows * 0.8, $"A user saw {users.Fewest} rows.");
    }

    /// <param name="outOfLine">The table is copied in the order of its key; otherwise of its pages.</param>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Should_go_on_with_the_first_copy_where_a_killed_node_was(bool outOfLine)
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await using var table = await LargeTable.CreateAsync(installation.Source, Rows, output.WriteLine, outOfLine);
        await using var followed = await Followed.StartAsync(installation, 300);
        table.Start(1_000);
        // Ranges of some twenty thousand rows.
        var node = await installation.StartNodeAsync(new Dictionary<string, string?> { ["ROSETTA__PIPELINES__RANGEDFROM"] = "2000000", ["ROSETTA__PIPELINES__CHUNKROWS"] = "2000" });
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await AssertGoesOnAfterKillsAsync(installation, node, pipeline, table, followed, 0.05, 0.5, 0.9);
    }

    [Fact]
    public async Task Should_bring_a_new_table_that_changes_all_the_time()
    {
        await using var installation = await Installation.StartAsync(targets: 2);
        await using var followed = await Followed.StartAsync(installation, 300);
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        followed.Watch();

        await using var table = await LargeTable.CreateAsync(installation.Source, Rows, output.WriteLine);
        table.Start(1_000);
        await node.Api.PostAsync($"pipelines/{pipeline}/refresh");
        var lanes = new SortedSet<string>();
        await Wait.UntilAsync(
            async () =>
            {
                var now = await Installation.PipelineAsync(node.Api, pipeline);
                lanes.UnionWith(now.Destinations.Select(d => d.Lane ?? ""));
                return now.Destinations.All(d => d.Tables?.Any(t => t is { Table: $"public.{Name}", State: "STREAMING" }) == true);
            },
            "the new table to stream", Installation.Patience);
        await table.StopAsync();
        await followed.AssertEqualAsync(node.Api, pipeline);
        output.WriteLine(followed.Source.Describe());
        for (var i = 0; i < 2; i++)
            await table.AssertEqualAsync(installation, i);

        // The other tables' changes went on beside it: no lane left the stream.
        Assert.Equal(["ATTACHED"], lanes);
    }

    [Fact]
    public async Task Should_say_which_transaction_keeps_a_chunk_away_and_go_on_when_it_is_over()
    {
        await using var installation = await Installation.StartAsync(targets: 1, new Rosetta.Testing.Servers.PostgresServerOptions
        {
            // Only who asks for it waits for a standby that is not there.
            Settings = new Dictionary<string, string> { ["synchronous_standby_names"] = "nobody", ["synchronous_commit"] = "local" },
        });
        await installation.Source.ExecuteAsync("CREATE TABLE waiting (id int PRIMARY KEY, v int); INSERT INTO waiting SELECT i, 0 FROM generate_series(1, 100) i", Installation.Database);
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await using var hung = await installation.Source.OpenAsync(Installation.Database);
        await using var update = new NpgsqlCommand("SET synchronous_commit = on; UPDATE waiting SET v = 1 WHERE id = 1", hung);
        var commit = update.ExecuteNonQueryAsync();
        // It is in the WAL, and applied, before anybody at the source sees it.
        await Wait.UntilAsync(
            async () => await installation.Targets[0].ScalarAsync<int>("SELECT v FROM waiting WHERE id = 1", Installation.Database) == 1, "the commit to be applied", Installation.Patience);
        await installation.Targets[0].ExecuteAsync("DELETE FROM waiting WHERE id > 50", Installation.Database);
        var id = (await Installation.DestinationIdsAsync(node.Api, pipeline))[0];
        await node.Api.PostAsync($"pipelines/{pipeline}/destinations/{id}/tables/public.waiting/resync");
        DestinationTable? table = null;
        await Wait.UntilAsync(async () => (table = await TableOfAsync()) is { Error: not null }, "the reason to be shown", Installation.Patience);
        output.WriteLine($"{table!.State}: {table.Error} {table.Remedy}");
        Assert.Equal("RESYNCING", table.State);
        Assert.Contains($"pid {hung.ProcessID}", table.Error, StringComparison.Ordinal);
        Assert.Contains("waits for a synchronous standby (nobody)", table.Error, StringComparison.Ordinal);

        await installation.Source.ExecuteAsync($"SELECT pg_cancel_backend({hung.ProcessID})", Installation.Database);
        await commit;
        await Wait.UntilAsync(async () => await TableOfAsync() is { State: "STREAMING", Error: null }, "the table to stream", Installation.Patience);
        Assert.Equal(100, await installation.Targets[0].ScalarAsync<long>("SELECT count(*) FROM waiting", Installation.Database));

        async Task<DestinationTable?> TableOfAsync() => (await Installation.PipelineAsync(node.Api, pipeline)).Destinations[0].Tables?.Single(t => t.Table == "public.waiting");
    }

    /// <summary>The node is killed when so much of the table has been copied; in the end all is equal, and what had landed was not copied again.</summary>
    async Task AssertGoesOnAfterKillsAsync(
        Installation installation, NodeProcess node, int pipeline, LargeTable table, Followed followed, params double[] killedAt)
    {
        var target = installation.Targets[0];
        var finished = new List<long>();
        foreach (var share in killedAt)
        {
            await WaitForRowsAsync(installation, (long)(share * Rows));
            await node.KillAsync();
            finished.Add(await target.ScalarAsync<long>($"SELECT copied_rows FROM rosetta.tables WHERE source_table = '{Name}' AND copying IS NOT NULL", Installation.Database));
            await node.StartAsync();
        }

        await Wait.UntilAsync(async () => await TableAsync(node, pipeline) is { State: "STREAMING" }, "the table to stream", Installation.Patience);
        var copied = await target.ScalarAsync<long>($"SELECT copied_rows FROM rosetta.tables WHERE source_table = '{Name}'", Installation.Database);
        await table.StopAsync();
        await followed.AssertEqualAsync(node.Api, pipeline);
        await table.AssertEqualAsync(installation);
        output.WriteLine($"killed with {string.Join(", ", finished)} rows finished, {copied} rows in finished chunks at the end; {table.Changes} changes meanwhile");
        output.WriteLine(followed.Source.Describe());
        Assert.Equal(finished.Order(), finished);
        // The table changes its size a little meanwhile.
        Assert.InRange(copied, Rows * 0.8, Rows * 1.05);
    }

    /// <summary>Looks at the destination itself: a node tells once a second.</summary>
    static async Task WaitForRowsAsync(Installation installation, long rows)
    {
        await using var look = await installation.Targets[0].OpenAsync(Installation.Database);
        await using var finished = new NpgsqlCommand($"SELECT copying IS NOT NULL AND copied_rows >= {rows} FROM rosetta.tables WHERE source_table = '{Name}'", look);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        while (await LookAsync() is not true)
            Assert.True(watch.Elapsed < Installation.Patience, $"{rows} rows were not copied in time.");

        async Task<bool?> LookAsync()
        {
            try
            {
                return await finished.ExecuteScalarAsync() as bool?;
            }
            catch (PostgresException e) when (e.SqlState == "42P01")
            {
                // Nothing was opened yet.
                return null;
            }
        }
    }

    static async Task<DestinationTable?> TableAsync(NodeProcess node, int pipeline) =>
        (await Installation.PipelineAsync(node.Api, pipeline)).Destinations[0].Tables?.FirstOrDefault(t => t.Table == $"public.{Name}");
}
