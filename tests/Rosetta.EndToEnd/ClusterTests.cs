using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>Two nodes: who dies is taken over, who freezes is shut out, who stops drains.</summary>
public sealed class ClusterTests(ITestOutputHelper output)
{
    static readonly TimeSpan TakeOverBound = TimeSpan.FromSeconds(20);

    [Theory]
    [Trait(TimeBound.Trait, TimeBound.Value)]
    [InlineData("oldest")]
    [InlineData("younger")]
    public async Task Should_go_on_at_the_other_node_when_one_is_killed(string which)
    {
        await using var installation = await Installation.StartAsync(targets: 3);
        await installation.Source.ExecuteAsync("CREATE TABLE public.marker (id int PRIMARY KEY)", Installation.Database);
        await using var followed = await Followed.StartAsync(installation, 500);
        // The first to be up is the oldest: it has the singletons and the shards' coordinator.
        await installation.StartNodeAsync();
        await installation.StartNodeAsync();
        var (killed, other) = which == "oldest" ? (installation.Nodes[0], installation.Nodes[1]) : (installation.Nodes[1], installation.Nodes[0]);
        // Two pipelines, so that each node has one, to targets of their own.
        var first = await installation.CreatePipelineAsync(other.Api, "first", attach: 2);
        var second = await installation.CreatePipelineAsync(other.Api, "second", attach: 0, start: false);
        await installation.AttachAsync(other.Api, second, 2, "second-target3");
        await other.Api.PostAsync($"pipelines/{second}/start");
        await installation.WaitUntilCaughtUpAsync(other.Api, first);
        await installation.WaitUntilCaughtUpAsync(other.Api, second);
        followed.Watch();
        followed.WatchSlot(first, await Installation.DestinationIdsAsync(other.Api, first));
        var atFirst = (await Installation.PipelineAsync(other.Api, first)).Runtime.Node;
        var atSecond = (await Installation.PipelineAsync(other.Api, second)).Runtime.Node;
        Assert.NotEqual(atFirst, atSecond);
        var target = killed.Runs(atFirst) ? installation.Targets[0] : installation.Targets[2];

        var watch = System.Diagnostics.Stopwatch.StartNew();
        await killed.KillAsync();
        // Only the other node can bring this one.
        await installation.Source.ExecuteAsync("INSERT INTO public.marker VALUES (1)", Installation.Database);
        await Wait.UntilAsync(
            async () => await target.ScalarAsync<long>("SELECT count(*) FROM public.marker", Installation.Database) == 1,
            "the other node to apply a change", Installation.Patience);
        output.WriteLine($"the {which} node was killed; the first change applied by the other one was visible {watch.Elapsed.TotalSeconds:0.0} s later");

        Assert.True(watch.Elapsed < TakeOverBound, $"It took {watch.Elapsed.TotalSeconds:0.0} s.");
        await followed.Workload.WaitForChangesAsync(1_000, Installation.Patience);
        await followed.AssertEqualAsync(other.Api, [first, second]);
    }

    [Fact]
    public async Task Should_commit_nothing_of_a_node_that_froze_and_was_taken_over()
    {
        await using var installation = await Installation.StartAsync();
        await using var followed = await Followed.StartAsync(installation, 1_000);
        await installation.StartNodeAsync();
        await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(installation.Nodes[0].Api);
        await installation.WaitUntilCaughtUpAsync(installation.Nodes[0].Api, pipeline);
        followed.Watch();
        followed.WatchSlot(pipeline, await Installation.DestinationIdsAsync(installation.Nodes[0].Api, pipeline));
        var before = (await Installation.PipelineAsync(installation.Nodes[0].Api, pipeline)).Runtime.Node;
        var runs = installation.Nodes.Single(n => n.Runs(before));
        var other = installation.Nodes.Single(n => n != runs);

        var watch = System.Diagnostics.Stopwatch.StartNew();
        runs.Process.Freeze();
        await Wait.UntilAsync(
            async () => (await Installation.PipelineAsync(other.Api, pipeline)).Runtime is { State: "RUNNING" } r && r.Node != before,
            "the other node to run it", Installation.Patience);
        output.WriteLine($"running at the other node after {watch.Elapsed.TotalSeconds:0.0} s");
        // What it still had in hand must not come through.
        runs.Process.Thaw();
        await Wait.UntilAsync(() => runs.Process.HasExited, "the frozen node to find out that it was taken out", Installation.Patience);

        await followed.Workload.WaitForChangesAsync(2_000, Installation.Patience);
        await followed.AssertEqualAsync(other.Api, pipeline);
    }

    [Fact]
    public async Task Should_move_a_pipeline_after_a_drain_when_its_node_is_stopped()
    {
        await using var installation = await Installation.StartAsync();
        await using var followed = await Followed.StartAsync(installation, 1_000);
        await installation.StartNodeAsync();
        await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(installation.Nodes[0].Api);
        await installation.WaitUntilCaughtUpAsync(installation.Nodes[0].Api, pipeline);
        followed.Watch();
        var before = (await Installation.PipelineAsync(installation.Nodes[0].Api, pipeline)).Runtime.Node;
        var runs = installation.Nodes.Single(n => n.Runs(before));
        var other = installation.Nodes.Single(n => n != runs);

        Assert.Equal(0, await runs.Process.StopAsync(TimeSpan.FromSeconds(90)));
        await Wait.UntilAsync(
            async () => (await Installation.PipelineAsync(other.Api, pipeline)).Runtime is { State: "RUNNING" } r && r.Node != before,
            "the other node to run it", Installation.Patience);

        await followed.AssertEqualAsync(other.Api, pipeline);
    }
}
