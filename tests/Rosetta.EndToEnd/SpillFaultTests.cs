using Rosetta.Client.Answers;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;
using static Rosetta.EndToEnd.Stage.SpillStage;

namespace Rosetta.EndToEnd;

/// <summary>What happens to a spill log itself: its store dies, it comes to its own end, its destination is resynced or taken out.</summary>
public sealed class SpillFaultTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Should_hold_the_slot_while_the_config_database_is_away_and_go_on_when_it_and_the_destination_died_in_the_middle()
    {
        await using var installation = await StageAsync(targets: 2, durableTargets: true);
        var dead = installation.Targets[1];
        var node = await installation.StartNodeAsync(Settings());
        var pipeline = await StartAsync(installation, node);
        var random = new Random(1);
        await using (var traffic = SteadyTraffic.Start(installation.SourceConnection, TimeSpan.FromMilliseconds(20), () => StepTable.Statement(random)))
        {
            await dead.StopAsync();
            await SpilledAsync(node, pipeline);
            await installation.Config.KillAsync();
            var before = await installation.SlotAsync(pipeline);
            await traffic.WaitForAsync(2_000);
            // An acknowledgement that had been recorded may still have been on its way.
            Assert.InRange(await installation.SlotAsync(pipeline) - before, 0UL, (ulong)Budget / 2);
            await installation.Config.StartAsync();
            var through = (await DeadAsync(node, pipeline)).Spill?.Through;
            await Wait.UntilAsync(async () => (await DeadAsync(node, pipeline)).Spill is { Through: { } now } && now != through, "the log to go on", Installation.Patience);

            await dead.StartAsync();
            await Wait.UntilAsync(async () => (await DeadAsync(node, pipeline)).Lane == "DRAINING", "the log to be drained", Installation.Patience);
            await dead.CrashAsync();
            await installation.Config.KillAsync();
            await installation.Config.StartAsync();
            await dead.StartAsync();
            await DrainedAsync(node, pipeline);
        }

        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await StepTable.AssertEqualAsync(installation);
    }

    [Fact]
    public async Task Should_give_a_destination_up_whose_log_is_full_let_the_slot_go_and_mend_it_by_a_resync()
    {
        await using var installation = await StageAsync(targets: 1);
        var (source, dead) = (installation.Source, installation.Targets[0]);
        // The text compresses well.
        var node = await installation.StartNodeAsync(Settings(("SPILLBYTES", "60000")));
        var pipeline = await StartAsync(installation, node);
        var random = new Random(3);
        await using (SteadyTraffic.Start(installation.SourceConnection, TimeSpan.FromMilliseconds(20), () => StepTable.Statement(random)))
        {
            await dead.StopAsync();
            await Wait.UntilAsync(async () => await DeadAsync(node, pipeline) is { HealthStatus: "ERROR", LastError: not null }, "the destination to be given up", Installation.Patience);
            var shown = await DeadAsync(node, pipeline);
            output.WriteLine($"{shown.LastError}\n{shown.Remedy}");
            Assert.Contains("spill log", shown.LastError, StringComparison.Ordinal);
            Assert.Contains("resync", shown.Remedy, StringComparison.Ordinal);
            // Nobody waits for the slot any more.
            var end = Installation.Lsn(await source.ScalarAsync<string>("SELECT pg_current_wal_lsn()::text"));
            await Wait.UntilAsync(async () => await installation.SlotAsync(pipeline) >= end, "the slot to go on", Installation.Patience);
            // The same after a restart, and when it answers again: what it lacks is gone.
            await node.KillAsync();
            await node.StartAsync();
            await Wait.UntilAsync(async () => await DeadAsync(node, pipeline) is { HealthStatus: "ERROR" } d && d.Remedy?.Contains("resync", StringComparison.Ordinal) == true, "the gap to be shown", Installation.Patience);
            // One that does not come to its end, since the log is full again first, leaves room for another.
            var failed = await ResyncAsync();
            Assert.Equal("FAILED", failed.Status);
            Assert.Contains("given up", failed.Error, StringComparison.Ordinal);
            await node.KillAsync();
            await dead.StartAsync();
            await node.StartAsync();
            Assert.Equal("DONE", (await ResyncAsync()).Status);
            await Wait.UntilAsync(async () => await DeadAsync(node, pipeline) is { Lane: "ATTACHED", LastError: null }, "the destination to be made equal", Installation.Patience);
        }

        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await StepTable.AssertEqualAsync(installation);
        await Wait.UntilAsync(async () => await installation.Config.ScalarAsync<long>("SELECT count(*) FROM spill_parts", "rosetta") == 0, "nothing to be left of the log", Installation.Patience);

        async Task<PipelineRequest> ResyncAsync()
        {
            var destination = (await Installation.DestinationIdsAsync(node.Api, pipeline))[0];
            var id = (await node.Api.PostAsync($"pipelines/{pipeline}/resync", new { destination_ids = new[] { destination } })).As<Pipeline>().RequestId;
            return await Wait.ForAsync(
                async () => (await Installation.PipelineAsync(node.Api, pipeline)) is not null && (await node.Api.GetAsync($"pipelines/{pipeline}/requests/{id}")).As<PipelineRequest>() is { IsOpen: false } ended ? ended : null,
                "the resync to end", Installation.Patience);
        }
    }

    [Fact]
    public async Task Should_leave_nothing_of_a_log_behind_when_its_destination_is_resynced_or_taken_out()
    {
        await using var installation = await StageAsync(targets: 2);
        var dead = installation.Targets[1];
        var node = await installation.StartNodeAsync(Settings());
        var pipeline = await StartAsync(installation, node);
        var id = (await Installation.DestinationIdsAsync(node.Api, pipeline))[1];
        await SpillAsync(5);
        // Nothing more is written, so that no new log is begun, whose opening would sweep.
        await node.Api.PostAsync($"pipelines/{pipeline}/resync", new { destination_ids = new[] { id } });
        await NothingIsLeftAsync();
        await dead.StartAsync();
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await StepTable.AssertEqualAsync(installation);

        await SpillAsync(6);
        await node.Api.DeleteAsync($"pipelines/{pipeline}/destinations/{id}");
        await NothingIsLeftAsync();

        async Task SpillAsync(int seed)
        {
            var random = new Random(seed);
            await using (SteadyTraffic.Start(installation.SourceConnection, TimeSpan.FromMilliseconds(20), () => StepTable.Statement(random)))
            {
                await dead.StopAsync();
                await SpilledAsync(node, pipeline);
            }

            Assert.True(await PartsAsync() > 0);
        }

        Task NothingIsLeftAsync() => Wait.UntilAsync(async () => await PartsAsync() == 0, "the parts of the log to be removed", Installation.Patience);

        Task<long> PartsAsync() => installation.Config.ScalarAsync<long>("SELECT count(*) FROM spill_parts", "rosetta");
    }

    [Fact]
    public async Task Should_hold_the_slot_at_the_end_of_a_full_log_where_that_was_chosen()
    {
        await using var installation = await StageAsync(targets: 1);
        var dead = installation.Targets[0];
        var node = await installation.StartNodeAsync(Settings(("SPILLBYTES", "60000"), ("SPILLEND", "Hold")));
        var pipeline = await StartAsync(installation, node);
        var random = new Random(4);
        await using (var traffic = SteadyTraffic.Start(installation.SourceConnection, TimeSpan.FromMilliseconds(20), () => StepTable.Statement(random)))
        {
            await dead.StopAsync();
            await Wait.UntilAsync(async () => (await DeadAsync(node, pipeline)).Spill is { Error: not null }, "the log to be full", Installation.Patience);
            var spill = (await DeadAsync(node, pipeline)).Spill!;
            output.WriteLine($"{spill.Error}\n{spill.Remedy}");
            Assert.Contains("SpillBytes", spill.Remedy, StringComparison.Ordinal);
            await traffic.WaitForAsync(2_000);
            Assert.True(await installation.SlotAsync(pipeline) <= Installation.Lsn((await DeadAsync(node, pipeline)).Spill!.Through), "The slot went on.");
            await dead.StartAsync();
            await DrainedAsync(node, pipeline);
        }

        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await StepTable.AssertEqualAsync(installation);
    }
}
