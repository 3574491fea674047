using System.Globalization;
using Rosetta.Client.Answers;
using Rosetta.Core.Failpoints;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>A destination that is down costs the source no more WAL than was allowed, and the other destination nothing; it gets everything, in order, when it answers.</summary>
public sealed class SpillTests(ITestOutputHelper output)
{
    const long Budget = 64 << 20;

    static readonly Dictionary<string, string?> Settings = new() { ["ROSETTA__PIPELINES__SPILLWAL"] = Budget.ToString(CultureInfo.InvariantCulture) };

    [Theory]
    [InlineData(2, true)]
    [InlineData(1, false)]
    public async Task Should_spill_what_a_dead_destination_lacks_and_drain_it_though_the_node_dies_at_every_step(int targets, bool dies)
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var installation = await Installation.StartAsync(targets);
        var (source, dead) = (installation.Source, installation.Targets[^1]);
        await source.ExecuteAsync(StepTable.Schema, Installation.Database);
        var node = await installation.StartNodeAsync(Settings);
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        foreach (var target in installation.Targets)
            await target.ExecuteAsync(StepTable.Watch, Installation.Database);

        long held = 0;
        await using (var traffic = SteadyTraffic.Start(installation.SourceConnection, TimeSpan.FromMilliseconds(20), () => StepTable.Statement(random)))
        {
            await dead.StopAsync();
            await Wait.UntilAsync(async () => (await DeadAsync()).Spill is { Transactions: > 100 }, "changes to be spilled", Installation.Patience);
            Assert.Equal("SPILLING", (await DeadAsync()).Lane);
            foreach (var failpoint in dies ? (string[])[FailpointNames.SpillOpened, FailpointNames.SpillBeforeAppend, FailpointNames.SpillAppended] : [])
                await DieAtAsync(failpoint);

            // A transaction larger than any part, and a new shape, on their way through the log.
            await source.ExecuteAsync("UPDATE orders SET v = v + 1, step = nextval('steps'), big = repeat('y', 5000)", Installation.Database);
            await source.ExecuteAsync("ALTER TABLE orders ADD note text DEFAULT 'new'", Installation.Database);
            // While no node ran, nobody could.
            await Wait.UntilAsync(async () => await HeldAsync() < Budget / 4, "the slot to come to the end of the log", Installation.Patience);
            var from = Installation.Lsn(await source.ScalarAsync<string>("SELECT pg_current_wal_lsn()::text"));
            await Wait.UntilAsync(
                async () =>
                {
                    held = Math.Max(held, await HeldAsync());
                    return Installation.Lsn(await source.ScalarAsync<string>("SELECT pg_current_wal_lsn()::text")) > from + (2 * Budget);
                },
                "twice the budget to be written", Installation.Patience);
            output.WriteLine($"the slot held {held >> 20} MB at most while {2 * Budget >> 20} MB were written; spilled: {(await DeadAsync()).Spill}");
            Assert.True(held < Budget, $"The slot held {held} bytes.");

            await dead.StartAsync();
            foreach (var failpoint in dies ? (string[])[FailpointNames.SpillRemoved, FailpointNames.SpillDrained] : [])
                await DieAtAsync(failpoint);
            await Wait.UntilAsync(async () => await DeadAsync() is { Lane: "ATTACHED", Spill: null }, "the spill log to be drained", Installation.Patience);
        }

        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await StepTable.AssertEqualAsync(installation);
        await Wait.UntilAsync(
            async () => await DeadAsync() is { Lane: "ATTACHED", Spill: null } && await installation.Config.ScalarAsync<long>("SELECT count(*) FROM spill_parts", "rosetta") == 0,
            "nothing to be left of the log", Installation.Patience);

        async Task<PipelineDestination> DeadAsync() => (await Installation.PipelineAsync(node.Api, pipeline)).Destinations[^1];

        Task<long> HeldAsync() => source.ScalarAsync<long>(
            $"SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint FROM pg_replication_slots WHERE slot_name = 'rosetta_p{pipeline}'");

        async Task DieAtAsync(string failpoint)
        {
            await node.KillAsync();
            await node.StartAsync(waitUntilReady: false, new Dictionary<string, string?> { [Failpoint.SettingName] = $"{failpoint}=kill" });
            await DiedAsync(failpoint);
            await node.StartAsync();
        }

        Task DiedAsync(string failpoint) => Wait.UntilAsync(() => Task.FromResult(node.Process.HasExited), $"the node to die at {failpoint}", Installation.Patience);
    }
}
