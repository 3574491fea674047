using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using Rosetta.Actors.Pipelines;
using Rosetta.Actors.Tests.Pipelines;
using Rosetta.Core.Tables;
using Rosetta.Store.Jobs;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Actors.Tests.Backfills;

/// <summary>Backfill jobs by the entity of a pipeline, on real databases, journaled in the config database.</summary>
public sealed class BackfillJobTests
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    const string Orders =
        """
        CREATE TABLE orders (id bigint PRIMARY KEY, status text NOT NULL, n int NOT NULL DEFAULT 0, at timestamptz NOT NULL DEFAULT now());
        INSERT INTO orders SELECT i, CASE WHEN i % 2 = 0 THEN 'paid' ELSE 'open' END FROM generate_series(1, 20000) i
        """;

    [Fact]
    public async Task Should_bring_back_the_rows_that_meet_the_filters_while_the_source_changes()
    {
        await using var stage = await Stage.StartAsync(Orders);
        await stage.Running.TargetAsync("DELETE FROM orders WHERE id % 10 < 3");
        using var enough = new CancellationTokenSource();
        var (seed, changes) = (Random.Shared.Next(), 0);
        var traffic = Task.Run(async () =>
        {
            var random = new Random(seed);
            for (; !enough.IsCancellationRequested; changes++)
            {
                var id = random.Next(1, 10_001);
                await stage.Running.SourceAsync(random.Next(4) switch
                {
                    0 => $"DELETE FROM orders WHERE id = {id}",
                    1 => $"INSERT INTO orders VALUES ({id}, 'paid', -1) ON CONFLICT (id) DO UPDATE SET n = orders.n + 100",
                    _ => $"UPDATE orders SET n = n + 1 WHERE id = {id}",
                });
            }
        });

        // By plain SQL, as users may.
        await stage.Running.ConfigAsync(
            $$"""
            INSERT INTO queue_backfill_data (pipeline_id, table_name, filters, batch_size)
            VALUES ({{stage.Pipeline}}, 'orders', '["id <= 10000", {"column": "status", "operator": "IN", "value": ["paid", "it''s; --"]}]', 500)
            """);
        var job = await stage.EndOfAsync(1);
        await enough.CancelAsync();
        await traffic;
        Assert.Equal(("COMPLETED", 100d, 0, null), (job.Status, job.Progress, job.ResumeAttempts, job.ErrorMessage));
        Assert.InRange(job.CountRecord, 3_000, 10_000);
        Assert.True(job.TotalRecord > 0 && job.StartedAt >= job.CreatedAt && job.FinishedAt >= job.StartedAt, job.ToString());

        const string wanted = "SELECT coalesce(string_agg(concat_ws(',', id, status, n, at), ';' ORDER BY id), '') FROM orders WHERE id <= 10000 AND status = 'paid'";
        await Wait.UntilAsync(
            async () => await stage.SourceScalarAsync<string>(wanted) == await stage.Running.TargetScalarAsync<string>(wanted), $"the rows to be equal (seed {seed}, {changes} changes)", Patience);
        // What the filters leave out stays away.
        Assert.Equal(0, await stage.Running.TargetScalarAsync<long>("SELECT count(*) FROM orders WHERE id > 10000 AND id % 10 < 3"));
        Assert.Equal(["bfs", "bfe"], await stage.JournalAsync(1));
    }

    [Fact]
    public async Task Should_fail_a_job_whose_literal_does_not_fit_and_leave_the_lane_alone()
    {
        await using var stage = await Stage.StartAsync(Orders);
        var applied = (await stage.Running.StatusAsync(stage.Pipeline)).Runtime!.Restarts;
        var filters = new[] { """["n = 'many'"]""", """["at > 'some day'"]""", """["nothing = 1"]""", """["id = 1; DROP TABLE orders"]""", """["id = 99999999999999999999"]""" };
        foreach (var filter in filters)
            await stage.AddAsync("orders", filter);
        for (var i = 1; i <= filters.Length; i++)
        {
            var job = await stage.EndOfAsync(i);
            Assert.Equal("FAILED", job.Status);
            Assert.NotEmpty(job.ErrorMessage!);
        }

        Assert.Contains("invalid input syntax for type integer: \"many\"", (await stage.JobAsync(1)).ErrorMessage, StringComparison.Ordinal);
        Assert.Contains("no column 'nothing'", (await stage.JobAsync(3)).ErrorMessage, StringComparison.Ordinal);
        await stage.AddAsync("nowhere", "[]");
        Assert.Contains("no table public.nowhere", (await stage.EndOfAsync(filters.Length + 1)).ErrorMessage, StringComparison.Ordinal);

        await stage.Running.SourceAsync("INSERT INTO orders VALUES (-1, 'later')");
        await Wait.UntilAsync(async () => await stage.Running.TargetScalarAsync<long>("SELECT count(*) FROM orders WHERE id = -1") == 1, "the stream to go on", Patience);
        Assert.Equal("STREAMING", (await stage.Running.TablesAsync(stage.Pipeline))["public.orders"].State);
        Assert.Equal(applied, (await stage.Running.StatusAsync(stage.Pipeline)).Runtime!.Restarts);
    }

    [Fact]
    public async Task Should_cancel_after_the_batch_at_hand_and_go_on_with_the_next_job()
    {
        await using var stage = await Stage.StartAsync(Orders);
        await stage.Running.TargetAsync("TRUNCATE orders");
        await stage.AddAsync("orders", "[]", batch: 20);
        await Wait.UntilAsync(async () => await stage.Running.TargetScalarAsync<long>("SELECT count(*) FROM orders") >= 100, "some rows to be there", Patience);
        var asked = System.Diagnostics.Stopwatch.StartNew();
        Assert.NotNull(await stage.Running.Store.Backfills.CancelAsync(stage.Pipeline, 1, default));
        stage.Actor.Tell(new PipelineCommands.LookForRequests(stage.Pipeline));
        var job = await stage.EndOfAsync(1);
        Assert.Equal("CANCELLED", job.Status);
        Assert.InRange(job.CountRecord, 1, 19_999);
        Assert.True(asked.Elapsed < TimeSpan.FromSeconds(10), $"It took {asked.Elapsed}.");
        var rows = await stage.Running.TargetScalarAsync<long>("SELECT count(*) FROM orders");
        // Whole batches have landed, and no further one comes while another job goes on.
        await stage.AddAsync("orders", """["id > 19900"]""");
        Assert.Equal("COMPLETED", (await stage.EndOfAsync(2)).Status);
        Assert.Equal(rows + 100, await stage.Running.TargetScalarAsync<long>("SELECT count(*) FROM orders"));
        Assert.Equal(["bfs", "bfe"], await stage.JournalAsync(1));
        Assert.Null(await stage.Running.Store.Backfills.CancelAsync(stage.Pipeline, 1, default));
    }

    [Fact]
    public async Task Should_wait_while_the_pipeline_rests_and_go_on_where_the_last_batch_landed()
    {
        await using var stage = await Stage.StartAsync(Orders);
        await stage.Running.TargetAsync("TRUNCATE orders");
        await stage.AddAsync("orders", "[]", batch: 50);
        await Wait.UntilAsync(async () => await stage.Running.TargetScalarAsync<long>("SELECT count(*) FROM orders") >= 500, "some rows to be there", Patience);
        await stage.StopAsync();
        await Wait.UntilAsync(async () => (await stage.JobAsync(1)).Status == "PENDING", "the job to wait", Patience);
        // Users take these away again: what has landed is not brought twice.
        await stage.Running.TargetAsync("DELETE FROM orders WHERE id <= 100");
        stage.Run();
        var job = await stage.EndOfAsync(1);
        Assert.Equal(("COMPLETED", 1, 20_000), (job.Status, job.ResumeAttempts, job.CountRecord));
        Assert.Equal(19_900, await stage.Running.TargetScalarAsync<long>("SELECT count(*) FROM orders"));
        Assert.Equal(["bfs", "bfr", "bfe"], await stage.JournalAsync(1));
    }

    /// <summary>One pipeline that streams one table, and its entity.</summary>
    sealed class Stage : IAsyncDisposable
    {
        readonly ActorSystem _system;
        readonly TestKit _kit;
        TestProbe _shard;

        Stage(RunningPipeline running, long pipeline)
        {
            (Running, Pipeline) = (running, pipeline);
            _system = JobSystem.Start(running.ConfigConnection);
            _kit = new TestKit(_system);
            _shard = _kit.CreateTestProbe();
            Actor = running.Run(_shard, pipeline);
        }

        public RunningPipeline Running { get; }

        public long Pipeline { get; }

        public IActorRef Actor { get; private set; }

        public static async Task<Stage> StartAsync(string sourceSql)
        {
            var running = await RunningPipeline.StartAsync(sourceSql);
            var (pipeline, _) = await running.AddAsync("p");
            var stage = new Stage(running, pipeline);
            await running.WaitForAsync(pipeline, "public.orders", TableState.Streaming);
            return stage;
        }

        public void Run()
        {
            _shard = _kit.CreateTestProbe();
            Actor = Running.Run(_shard, Pipeline);
        }

        public async Task AddAsync(string table, string filters, int batch = 10_000)
        {
            Assert.True((await Running.Store.Backfills.AddAsync(Pipeline, table, null, filters, batch, "test", default)).IsSaved);
            Actor.Tell(new PipelineCommands.LookForRequests(Pipeline));
        }

        public async Task<BackfillJob> JobAsync(long id) => (await Running.Store.Backfills.FindAsync(Pipeline, id, default))!;

        public async Task<BackfillJob> EndOfAsync(long id)
        {
            BackfillJob? job = null;
            await Wait.UntilAsync(async () => !(job = await JobAsync(id)).IsOpen, $"job {id} to end", Patience);
            return job!;
        }

        public async Task<string[]> JournalAsync(long id) =>
            (await Running.ConfigScalarAsync<string>($"SELECT string_agg(manifest, ' ' ORDER BY sequence_number) FROM job_journal WHERE persistence_id = 'backfill-{id}'"))!.Split(' ');

        public async Task<T?> SourceScalarAsync<T>(string sql)
        {
            await using var connection = new Npgsql.NpgsqlConnection(Running.SourceConnection);
            await connection.OpenAsync();
            await using var command = new Npgsql.NpgsqlCommand(sql, connection);
            return (T?)await command.ExecuteScalarAsync();
        }

        public async Task StopAsync()
        {
            await _shard.WatchAsync(Actor);
            Actor.Tell(PipelineCommands.HandOff.Instance);
            await _shard.FishForMessageAsync(m => m is Terminated t && t.ActorRef.Equals(Actor), Patience);
        }

        public async ValueTask DisposeAsync()
        {
            await StopAsync();
            _kit.Dispose();
            await _system.Terminate();
            await Running.DisposeAsync();
        }
    }
}
