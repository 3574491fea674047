using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using Rosetta.Actors.Pipelines;
using Rosetta.Core.Tables;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Requests;
using Rosetta.Testing.Equality;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Actors.Tests.Pipelines;

/// <summary>The entity of a pipeline on real databases.</summary>
public sealed class PipelineActorTests() : TestKit("akka.actor.provider = cluster\nakka.remote.dot-netty.tcp { hostname = 127.0.0.1\nport = 0 }")
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    [Fact]
    public async Task Should_answer_a_refresh_when_the_catalog_was_read_and_shown()
    {
        await using var running = await RunningPipeline.StartAsync("CREATE TABLE first (id int PRIMARY KEY); INSERT INTO first VALUES (1)");
        var (pipeline, _) = await running.AddAsync("p");
        var shard = CreateTestProbe();
        var actor = running.Run(shard, pipeline);
        await running.WaitForAsync(pipeline, "public.first", TableState.Streaming);

        for (var i = 0; i < 3; i++)
        {
            await running.SourceAsync($"CREATE TABLE later{i} (id int PRIMARY KEY); INSERT INTO later{i} VALUES (1)");
            Assert.Equal("DONE", (await running.RequestAsync(actor, pipeline, PipelineRequestKind.Refresh)).State);
            Assert.Contains($"public.later{i}", (await running.TablesAsync(pipeline)).Keys);
        }

        await running.WaitForAsync(pipeline, "public.later2", TableState.Streaming);
        // Nothing was analyzed: an estimate that is not there is not 0.
        Assert.Equal(1, (await running.TablesAsync(pipeline))["public.later2"].SnapshotRowsEstimated);
        await StopAsync(shard, actor);
    }

    [Fact]
    public async Task Should_answer_a_refresh_that_an_earlier_incarnation_left_open()
    {
        await using var running = await RunningPipeline.StartAsync("CREATE TABLE first (id int PRIMARY KEY)");
        var (pipeline, _) = await running.AddAsync("p");
        var shard = CreateTestProbe();
        var actor = running.Run(shard, pipeline);
        await running.WaitForAsync(pipeline, "public.first", TableState.Streaming);
        await StopAsync(shard, actor);

        await running.SourceAsync("CREATE TABLE later (id int PRIMARY KEY)");
        var answered = running.RequestAsync(ActorRefs.Nobody, pipeline, PipelineRequestKind.Refresh);
        actor = running.Run(CreateTestProbe(), pipeline);
        Assert.Equal("DONE", (await answered).State);
        Assert.Contains("public.later", (await running.TablesAsync(pipeline)).Keys);
        Sys.Stop(actor);
    }

    [Fact]
    public async Task Should_copy_the_others_once_while_a_table_is_truncated_again_and_again()
    {
        await using var running = await RunningPipeline.StartAsync(
            """
            CREATE TABLE restless (id int PRIMARY KEY, v text);
            CREATE TABLE big (id int PRIMARY KEY, v text); INSERT INTO big SELECT i, repeat(i::text, 50) FROM generate_series(1, 200000) i;
            CREATE TABLE small (id int PRIMARY KEY); INSERT INTO small SELECT generate_series(1, 100)
            """);
        var (pipeline, _) = await running.AddAsync("p");
        using var enough = new CancellationTokenSource();
        // Often enough to meet every copy, not so often that none of it can begin on a busy machine.
        using var pace = new PeriodicTimer(TimeSpan.FromSeconds(1));
        var traffic = Task.Run(async () =>
        {
            for (var n = 0; !enough.IsCancellationRequested && await pace.WaitForNextTickAsync(); n++)
                await running.SourceAsync($"TRUNCATE restless; INSERT INTO restless SELECT i, 'n{n}' FROM generate_series(1, 20) i; UPDATE restless SET v = v || '!' WHERE id < 5; INSERT INTO small VALUES (1000 + {n})");
        });
        var shard = CreateTestProbe();
        var actor = running.Run(shard, pipeline);
        foreach (var table in (string[])["public.big", "public.small"])
            await running.WaitForAsync(pipeline, table, TableState.Streaming);
        await enough.CancelAsync();
        await traffic;
        // On a machine so busy that each of its snapshots met a TRUNCATE the restless one was given up, with the remedy that is taken here.
        await running.WaitForAsync(pipeline, "public.restless", TableState.Streaming, TableState.Error);
        if ((await running.TablesAsync(pipeline))["public.restless"].State == TableState.Error.ToName())
        {
            Assert.Equal("DONE", (await running.RequestAsync(actor, pipeline, PipelineRequestKind.ResyncTable, "public.restless")).State);
            await running.WaitForAsync(pipeline, "public.restless", TableState.Streaming);
        }

        // A second copy of it would have made a second table of the same name, or emptied the first: neither is left out.
        Assert.Equal(200_000, (await running.TablesAsync(pipeline))["public.big"].SnapshotRows);
        Assert.Equal(0, (await running.StatusAsync(pipeline)).Runtime!.Restarts);
        var pairs = await TablePair.AllAsync(running.SourceConnection);
        DatabaseComparisonResult? result = null;
        await Wait.UntilAsync(
            async () => (result = await CompareAsync()).Equal, "the target to be equal", Patience);
        await StopAsync(shard, actor);

        async Task<DatabaseComparisonResult> CompareAsync() => await DatabaseComparison.CompareAsync(running.SourceConnection, running.TargetConnection, pairs);
    }

    [Fact]
    public async Task Should_leave_a_table_to_the_pipeline_that_has_it_until_that_is_deleted()
    {
        await using var running = await RunningPipeline.StartAsync("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); INSERT INTO a VALUES (1); INSERT INTO b VALUES (2)");
        var (first, _) = await running.AddAsync("first", new TableSync("public.a", "public.shared"));
        // Another destination of the configuration, the same database: the config database alone would not know.
        var (second, _) = await running.AddAsync("second", new TableSync("public.b", "public.shared"), new TableSync("public.a", "public.own"));
        var shard = CreateTestProbe();
        var holder = running.Run(shard, first);
        await running.WaitForAsync(first, "public.a", TableState.Streaming);
        var other = running.Run(shard, second);
        await running.WaitForAsync(second, "public.a", TableState.Streaming);
        await running.WaitForAsync(second, "public.b", TableState.Error);
        var refused = (await running.TablesAsync(second))["public.b"];
        Assert.Contains($"belongs to table public.a of pipeline {first}", refused.Error, StringComparison.Ordinal);
        Assert.Contains("table_name_target", refused.Remedy, StringComparison.Ordinal);
        Assert.Equal(1, await running.TargetScalarAsync<int>("SELECT id FROM shared"));

        await StopAsync(shard, holder);
        await running.DeleteAsync(first);
        Assert.Equal("DONE", (await running.RequestAsync(other, second, PipelineRequestKind.Resync)).State);
        await running.WaitForAsync(second, "public.b", TableState.Streaming);
        Assert.Equal(2, await running.TargetScalarAsync<int>("SELECT id FROM shared"));
        await StopAsync(shard, other);
    }

    static async Task StopAsync(TestProbe shard, IActorRef actor)
    {
        await shard.WatchAsync(actor);
        actor.Tell(PipelineCommands.HandOff.Instance);
        await shard.FishForMessageAsync(m => m is Terminated t && t.ActorRef.Equals(actor), Patience);
    }
}
