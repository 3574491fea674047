using System.Diagnostics;
using Npgsql;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>Backfill jobs that are called off: soon, with whole batches only, and whatever holds the batch at hand.</summary>
[Trait(TimeBound.Trait, TimeBound.Value)]
public sealed class CancelTests(ITestOutputHelper output)
{
    const int Rows = 300_000;

    static readonly TimeSpan Bound = TimeSpan.FromSeconds(2);

    [Fact]
    public async Task Should_end_within_two_seconds_with_whole_batches_and_leave_the_rest_to_another_job()
    {
        await using var stage = await StageAsync(network: false);
        stage.Table.Start(500);
        var job = await stage.BeginAsync(batch: 10_000);
        await stage.WaitForRowsAsync(job, Rows / 10);
        await stage.CancelAsync(job);
        await stage.AssertIsMendedByAnotherAsync(job);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Should_end_within_two_seconds_while_a_lock_at_the_destination_holds_the_batch(bool traffic)
    {
        await using var stage = await StageAsync(network: false);
        var job = await stage.BeginAsync(batch: 2_000);
        await stage.WaitForRowsAsync(job, 1);
        await using var holding = await stage.Target.OpenAsync(Installation.Database);
        await using var hold = new NpgsqlCommand("BEGIN; LOCK TABLE large_table IN SHARE MODE", holding);
        await hold.ExecuteNonQueryAsync();
        if (traffic)
            stage.Table.Start(500);
        await Wait.UntilAsync(
            async () => await stage.Target.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'large_table'::regclass AND NOT granted)", Installation.Database),
            "somebody to wait for the lock", Installation.Patience);
        await stage.CancelAsync(job);
        var landed = await stage.LandedAsync(job);
        hold.CommandText = "ROLLBACK";
        await hold.ExecuteNonQueryAsync();
        await stage.Installation.WaitUntilCaughtUpAsync(stage.Node.Api, stage.Pipeline);
        Assert.Equal(landed, await stage.LandedAsync(job));
        await stage.AssertIsMendedByAnotherAsync(job);
    }

    [Fact]
    public async Task Should_end_within_two_seconds_while_the_source_is_long_about_the_batch()
    {
        await using var stage = await StageAsync(network: true);
        var network = stage.Installation.ProxyOf(stage.Installation.Source);
        // The first, small, batch gets through.
        network.Throttle(100_000);
        var job = await stage.BeginAsync(batch: 1_000_000);
        await stage.WaitForRowsAsync(job, 1);
        // The source may be through with it while most of it is still on its way: sockets hold megabytes.
        await Wait.UntilAsync(
            async () => await stage.Installation.Source.ScalarAsync<bool>(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query ILIKE '%COPY%large_table%' AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND clock_timestamp() - query_start > '1 s')", Installation.Database),
            "a COPY that takes its time", Installation.Patience);
        await stage.CancelAsync(job);
        network.Throttle(null);
        await stage.AssertIsMendedByAnotherAsync(job);
    }

    async Task<CancelStage> StageAsync(bool network)
    {
        var installation = await Installation.StartAsync(targets: 1, network: network);
        var table = await LargeTable.CreateAsync(installation.Source, Rows, output.WriteLine);
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        // Not those with large values: an update that leaves these out cannot make a row that is gone.
        await installation.Targets[0].ExecuteAsync("DELETE FROM large_table WHERE id % 10 < 3 AND big IS NULL", Installation.Database);
        return new CancelStage(installation, table, node, pipeline, output.WriteLine);
    }

    sealed record CancelStage(Installation Installation, LargeTable Table, NodeProcess Node, int Pipeline, Action<string> Log) : IAsyncDisposable
    {
        public PostgresServer Target => Installation.Targets[0];

        public async Task<Backfill> BeginAsync(int batch) =>
            (await Node.Api.PostAsync($"pipelines/{Pipeline}/backfill", new StartBackfill("large_table", BatchSize: batch))).As<Backfill>();

        public async Task<Backfill> FindAsync(Backfill job) => (await Node.Api.GetAsync($"pipelines/{Pipeline}/backfill/{job.Id}")).As<Backfill>();

        /// <summary>Rows in batches that have landed, as the destination has it.</summary>
        public Task<long> LandedAsync(Backfill job) =>
            Target.ScalarAsync<long>($"SELECT coalesce(sum(rows), 0)::bigint FROM rosetta.backfills WHERE job = 'backfill-{job.Id}'", Installation.Database);

        public Task WaitForRowsAsync(Backfill job, int rows) => Wait.UntilAsync(async () => await LandedAsync(job) >= rows, $"{rows} rows to be brought", Installation.Patience);

        public async Task CancelAsync(Backfill job)
        {
            var watch = Stopwatch.StartNew();
            var ended = (await Node.Api.PostAsync($"pipelines/{Pipeline}/backfill/{job.Id}/cancel")).As<Backfill>();
            var took = watch.Elapsed;
            var landed = await LandedAsync(job);
            Log($"{ended.Status} after {took.TotalSeconds:0.00} s with {ended.CountRecord} of {ended.TotalRecord} rows");
            Assert.Equal("CANCELLED", ended.Status);
            Assert.True(took < Bound, $"{took.TotalSeconds:0.00} s from the request to CANCELLED.");
            Assert.InRange(landed, 1, Rows - 1);
            // What is told is what has landed, neither a part of a batch nor one too few.
            Assert.Equal(landed, ended.CountRecord);
        }

        public async Task AssertIsMendedByAnotherAsync(Backfill cancelled)
        {
            var landed = await LandedAsync(cancelled);
            var job = await BeginAsync(batch: 10_000);
            await Wait.UntilAsync(
                async () => !(job = await FindAsync(job)).IsOpen, "another job to end", Installation.Patience);
            Assert.Equal("COMPLETED", job.Status);
            Assert.Equal(landed, await LandedAsync(cancelled));
            await Table.StopAsync();
            await Installation.WaitUntilCaughtUpAsync(Node.Api, Pipeline);
            await Table.AssertEqualAsync(Installation);
        }

        public async ValueTask DisposeAsync()
        {
            await Table.DisposeAsync();
            await Installation.DisposeAsync();
        }
    }
}
