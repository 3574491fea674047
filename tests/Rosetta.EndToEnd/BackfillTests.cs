using System.Text.Json;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>Backfill jobs and comparisons over the API of real nodes.</summary>
public sealed class BackfillTests(ITestOutputHelper output)
{
    const int Rows = 200_000;

    [Fact]
    public Task Should_find_exactly_the_planted_differences_under_load_and_mend_them() => FindPlantedAsync(Rows);

    [LongFact]
    public Task Should_find_exactly_the_planted_differences_among_two_million_rows() => FindPlantedAsync(2_000_000);

    async Task FindPlantedAsync(int rows)
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await using var table = await LargeTable.CreateAsync(installation.Source, rows, output.WriteLine);
        // The traffic does not come near these: a change would mend or hide what is planted.
        await installation.Source.ExecuteAsync(
            "INSERT INTO large_table SELECT 10000000 + i * 100000, 0, now(), 'planted', NULL FROM generate_series(1, 4) i; CREATE TABLE keyless (v int)", Installation.Database);
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        table.Start(1_000);
        await installation.Targets[0].ExecuteAsync(
            """
            UPDATE large_table SET n = 77 WHERE id = 10100000; UPDATE large_table SET t = 'planted ' WHERE id = 10200000; DELETE FROM large_table WHERE id IN (10300000, 10400000);
            INSERT INTO large_table VALUES (20000000, 0, now(), 'extra', NULL)
            """,
            Installation.Database);

        await AssertShowsBeforehandAsync();
        foreach (var (repair, state, equal) in ((bool, string, bool)[])[(false, "DIFFERENT", false), (true, "REPAIRED", true)])
        {
            var run = await VerifyAsync(new StartVerify(["large_table"], Repair: repair));
            var found = Assert.Single(run.Tables);
            Assert.Equal((state, 2L, 2L, 1L), (found.State, found.Differing, found.Missing, found.Extra));
            Assert.Equal(equal, run.Equal);
            Assert.InRange(found.RowsCompared, rows * 0.8, rows * 1.05);
            Assert.Equal(
                [
                    """different {"id":10100000} n""", """different {"id":10200000} t""", """extra {"id":20000000} """, """missing {"id":10300000} """, """missing {"id":10400000} """,
                ],
                found.Keys!.Select(k => $"{k.Kind} {k.Key.GetRawText().Replace(" ", "", StringComparison.Ordinal)} {string.Join(',', k.Columns)}").Order(StringComparer.Ordinal).ToArray());
            output.WriteLine($"{found.Ranges} ranges compared by digests, {found.RowsCarried} of {found.RowsCompared} rows carried");
            Assert.InRange(found.RowsCarried, 2, found.RowsCompared / 2);
            Assert.NotNull(found.AsOfLsn);
        }

        await AssertSaysThatItWaitsAsync();
        var all = await VerifyAsync(new StartVerify());
        Assert.Equal(("EQUAL", "EQUAL"), (all.Tables.Single(t => t.Table == "public.large_table").State, all.Tables.Single(t => t.Table == "public.keyless").State));
        await table.StopAsync();
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await table.AssertEqualAsync(installation);

        // A dry run counts and names, and writes nothing.
        async Task AssertShowsBeforehandAsync()
        {
            var id = (await node.Api.PostAsync($"pipelines/{pipeline}/resync?dry_run=true")).As<VerifyStarted>().RunId;
            var run = await WaitForAsync(id);
            Assert.Equal((2L, 2L, 1L, false), run.Tables.Where(t => t.Table == "public.large_table").Select(t => (t.Differing, t.Missing, t.Extra, run.Repair)).Single());
        }

        // On a paused pipeline it waits, and says so.
        async Task AssertSaysThatItWaitsAsync()
        {
            await node.Api.PostAsync($"pipelines/{pipeline}/pause");
            var id = (await node.Api.PostAsync($"pipelines/{pipeline}/verify")).As<VerifyStarted>().RunId;
            var waiting = (await node.Api.GetAsync($"pipelines/{pipeline}/verify/{id}")).As<Verify>();
            Assert.Equal("PENDING", waiting.Status);
            Assert.Contains("paused", waiting.Waiting, StringComparison.Ordinal);
            await node.Api.PostAsync($"pipelines/{pipeline}/start");
            Assert.Equal("EQUAL", (await WaitForAsync(id)).Tables.Single(t => t.Table == "public.large_table").State);
        }

        async Task<Verify> VerifyAsync(StartVerify body) =>
            await WaitForAsync((await node.Api.PostAsync($"pipelines/{pipeline}/verify", body)).As<VerifyStarted>().RunId);

        async Task<Verify> WaitForAsync(long id)
        {
            Verify? run = null;
            await Wait.UntilAsync(
                async () => !(run = (await node.Api.GetAsync($"pipelines/{pipeline}/verify/{id}")).As<Verify>()).IsOpen, "the comparison to end", Installation.Patience);
            output.WriteLine($"{run} {string.Join("; ", run!.Tables)} after {table.Changes} changes");
            return run;
        }
    }

    [Fact]
    public async Task Should_go_on_where_the_last_batch_landed_when_the_node_is_killed_and_bring_every_row_under_load()
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await using var table = await LargeTable.CreateAsync(installation.Source, Rows, output.WriteLine);
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        table.Start(1_000);
        var target = installation.Targets[0];
        // Not those with large values: an update that leaves these out cannot make a row that is gone.
        await target.ExecuteAsync("DELETE FROM large_table WHERE id % 10 < 3 AND big IS NULL", Installation.Database);

        var job = (await node.Api.PostAsync(
            $"pipelines/{pipeline}/backfill", new StartBackfill("large_table", BatchSize: 2_000, Filters: [JsonSerializer.SerializeToElement("t IS NOT NULL")]))).As<Backfill>();
        await Wait.UntilAsync(async () => await FinishedAsync(target) > Rows / 4, "a quarter of the rows to be brought", Installation.Patience);
        await node.KillAsync();
        var killedAt = await FinishedAsync(target);
        await node.StartAsync();
        await Wait.UntilAsync(
            async () => !(job = (await node.Api.GetAsync($"pipelines/{pipeline}/backfill/{job.Id}")).As<Backfill>()).IsOpen, "the job to end", Installation.Patience);
        var finished = await FinishedAsync(target);
        await table.StopAsync();
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        output.WriteLine($"killed with {killedAt} rows brought, {finished} at the end; {table.Changes} changes meanwhile; {job}");

        Assert.Equal(("COMPLETED", 100d), (job.Status, job.Progress));
        Assert.True(job.ResumeAttempts >= 1, job.ToString());
        Assert.True(killedAt < Rows * 0.9, $"The job was over too soon: {killedAt} rows.");
        // What had landed was not brought again: the table changes its size a little meanwhile.
        Assert.InRange(finished, Rows * 0.8, Rows * 1.05);
        await table.AssertEqualAsync(installation);
    }
    [Fact]
    public async Task Should_go_on_where_the_last_batch_landed_when_the_destination_dies_in_mid_job()
    {
        await using var installation = await Installation.StartAsync(targets: 1, durableTargets: true);
        await using var table = await LargeTable.CreateAsync(installation.Source, Rows, output.WriteLine);
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        table.Start(500);
        var target = installation.Targets[0];
        await target.ExecuteAsync("DELETE FROM large_table WHERE id % 10 < 3 AND big IS NULL", Installation.Database);

        var job = (await node.Api.PostAsync($"pipelines/{pipeline}/backfill", new StartBackfill("large_table", BatchSize: 2_000))).As<Backfill>();
        foreach (var share in (int[])[4, 2])
        {
            await Wait.UntilAsync(async () => await FinishedAsync(target) > Rows / share, $"1/{share} of the rows to be brought", Installation.Patience);
            await target.CrashAsync();
            await target.StartAsync();
        }

        await Wait.UntilAsync(
            async () => !(job = (await node.Api.GetAsync($"pipelines/{pipeline}/backfill/{job.Id}")).As<Backfill>()).IsOpen, "the job to end", Installation.Patience);
        await table.StopAsync();
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        var finished = await FinishedAsync(target);
        output.WriteLine($"{finished} rows brought; {table.Changes} changes meanwhile; {job}");
        Assert.Equal("COMPLETED", job.Status);
        Assert.InRange(finished, Rows * 0.8, Rows * 1.05);
        await table.AssertEqualAsync(installation);
    }

    /// <summary>Rows in batches that have landed.</summary>
    static Task<long> FinishedAsync(PostgresServer target) =>
        target.ScalarAsync<long>("SELECT coalesce(sum(rows), 0)::bigint FROM rosetta.backfills", Installation.Database);
}
