using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>Two nodes: who dies is taken over, who freezes is shut out, who stops drains.</summary>
public sealed class ClusterTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Should_go_on_at_the_other_node_when_the_one_that_runs_it_dies_or_freezes(bool freeze)
    {
        await using var installation = await Installation.StartAsync();
        await using var followed = await Followed.StartAsync(installation, 1_000);
        await installation.StartNodeAsync();
        await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(installation.Nodes[0].Api);
        await installation.WaitUntilCaughtUpAsync(installation.Nodes[0].Api, pipeline);
        followed.Watch();
        followed.WatchSlot(pipeline, await Installation.DestinationIdsAsync(installation.Nodes[0].Api, pipeline));
        var before = (await Installation.PipelineAsync(installation.Nodes[0].Api, pipeline)).Runtime.Node!;
        var runs = installation.Nodes.Single(n => before.EndsWith($":{n.RemotingPort}", StringComparison.Ordinal));
        var other = installation.Nodes.Single(n => n != runs);

        var watch = System.Diagnostics.Stopwatch.StartNew();
        if (freeze)
            runs.Process.Freeze();
        else
            await runs.KillAsync();
        await Wait.UntilAsync(
            async () => (await Installation.PipelineAsync(other.Api, pipeline)).Runtime is { State: "RUNNING" } r && r.Node != before,
            "the other node to run it", Installation.Patience);
        output.WriteLine($"running at the other node after {watch.Elapsed.TotalSeconds:0.0} s");
        if (freeze)
        {
            // What it still had in hand must not come through.
            runs.Process.Thaw();
            await Wait.UntilAsync(() => runs.Process.HasExited, "the frozen node to find out that it was taken out", Installation.Patience);
        }

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
        var before = (await Installation.PipelineAsync(installation.Nodes[0].Api, pipeline)).Runtime.Node!;
        var runs = installation.Nodes.Single(n => before.EndsWith($":{n.RemotingPort}", StringComparison.Ordinal));
        var other = installation.Nodes.Single(n => n != runs);

        Assert.Equal(0, await runs.Process.StopAsync(TimeSpan.FromSeconds(90)));
        await Wait.UntilAsync(
            async () => (await Installation.PipelineAsync(other.Api, pipeline)).Runtime is { State: "RUNNING" } r && r.Node != before,
            "the other node to run it", Installation.Patience);

        await followed.AssertEqualAsync(other.Api, pipeline);
    }
}
