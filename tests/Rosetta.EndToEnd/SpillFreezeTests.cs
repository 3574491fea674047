using Rosetta.Client.Answers;
using Rosetta.Core.Failpoints;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;
using static Rosetta.EndToEnd.Stage.SpillStage;

namespace Rosetta.EndToEnd;

/// <summary>A node that freezes while it spills or drains: another takes over, and the older one writes nothing any more.</summary>
public sealed class SpillFreezeTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Should_write_nothing_from_a_node_that_froze_while_it_spilled_and_while_it_drained()
    {
        await using var installation = await StageAsync(targets: 2);
        var dead = installation.Targets[1];
        await installation.StartNodeAsync(Settings());
        await installation.StartNodeAsync(Settings());
        var pipeline = await StartAsync(installation, installation.Nodes[0]);
        var random = new Random(2);
        await using (SteadyTraffic.Start(installation.SourceConnection, TimeSpan.FromMilliseconds(25), () => StepTable.Statement(random)))
        {
            await dead.StopAsync();
            await SpilledAsync(installation.Nodes[0], pipeline);
            var other = await FreezeAsync(d => d.Spill is { Transactions: > 0 });
            await dead.StartAsync();
            await Wait.UntilAsync(async () => (await DeadAsync(other, pipeline)).Lane is "DRAINING" or "ATTACHED", "the log to be drained", Installation.Patience);
            await FreezeAsync(_ => true);
            await DrainedAsync(installation.Nodes.First(n => !n.Process.HasExited), pipeline);
        }

        var left = installation.Nodes.First(n => !n.Process.HasExited);
        await installation.WaitUntilCaughtUpAsync(left.Api, pipeline);
        await StepTable.AssertEqualAsync(installation);

        // The node that runs it is frozen, taken over, and let go on; what it had in hand must not come through.
        async Task<NodeProcess> FreezeAsync(Func<PipelineDestination, bool> isBack)
        {
            var alive = installation.Nodes.First(n => !n.Process.HasExited);
            var before = (await Installation.PipelineAsync(alive.Api, pipeline)).Runtime.Node;
            var runs = installation.Nodes.Single(n => !n.Process.HasExited && n.Runs(before));
            var other = installation.Nodes.First(n => n != runs && !n.Process.HasExited);
            runs.Process.Freeze();
            await TakenOverAsync(other, pipeline, before, isBack);
            await ThawAsync(runs);
            await runs.StartAsync();
            return other;
        }
    }

    /// <summary>In the middle of a transaction on the config database, whose locks the node that takes over needs.</summary>
    [Theory]
    [InlineData(FailpointNames.SpillOpening)]
    [InlineData(FailpointNames.SpillLettingGo)]
    public async Task Should_take_over_from_a_node_that_froze_in_a_transaction_of_its_spill_log(string failpoint)
    {
        await using var installation = await StageAsync(targets: 2);
        var dead = installation.Targets[1];
        var settings = Settings();
        settings[Failpoint.SettingName] = $"{failpoint}=stop*1";
        var freezes = await installation.StartNodeAsync(settings);
        var pipeline = await StartAsync(installation, freezes);
        var other = await installation.StartNodeAsync(Settings());
        var before = (await Installation.PipelineAsync(other.Api, pipeline)).Runtime.Node;
        var random = new Random(7);
        await using (SteadyTraffic.Start(installation.SourceConnection, TimeSpan.FromMilliseconds(25), () => StepTable.Statement(random)))
        {
            await dead.StopAsync();
            if (failpoint == FailpointNames.SpillLettingGo)
            {
                await SpilledAsync(other, pipeline);
                await dead.StartAsync();
            }

            await TakenOverAsync(other, pipeline, before, _ => true);
            await ThawAsync(freezes);
            if (failpoint == FailpointNames.SpillOpening)
            {
                await SpilledAsync(other, pipeline);
                await dead.StartAsync();
            }

            await DrainedAsync(other, pipeline);
        }

        await installation.WaitUntilCaughtUpAsync(other.Api, pipeline);
        await StepTable.AssertEqualAsync(installation);
    }

    static Task TakenOverAsync(NodeProcess other, int pipeline, string? before, Func<PipelineDestination, bool> isBack) => Wait.UntilAsync(
        async () => await Installation.PipelineAsync(other.Api, pipeline) is { Runtime: var r, Destinations: var d } && r.Node != before && r.State is "RUNNING" or "DEGRADED" && isBack(d[1]),
        "the other node to run it", Installation.Patience);

    async Task ThawAsync(NodeProcess frozen)
    {
        frozen.Process.Thaw();
        await Wait.UntilAsync(() => frozen.Process.HasExited, "the frozen node to find out that it was taken out", Installation.Patience);
        output.WriteLine("taken over");
    }
}
