using Rosetta.Core.Failpoints;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using static Rosetta.EndToEnd.Stage.SpillStage;

namespace Rosetta.EndToEnd;

/// <summary>The config database, which has the spill log, or the destination is killed while the node stands at a step of spilling or draining: nothing is lost and nothing comes twice.</summary>
public sealed class SpillDeathTests
{
    static readonly string[] WhileSpilling = [FailpointNames.SpillOpening, FailpointNames.SpillOpened, FailpointNames.SpillBeforeAppend, FailpointNames.SpillAppended];

    static readonly string[] WhileDraining = [FailpointNames.SpillLettingGo, FailpointNames.SpillDrained];

    [LongFact]
    public Task Should_spill_and_drain_everything_once_though_the_config_database_is_killed_at_every_step() => KillAsync(Victim.ConfigDatabase);

    [LongFact]
    public Task Should_drain_everything_once_though_the_destination_is_killed_at_every_step() => KillAsync(Victim.Destination);

    static async Task KillAsync(Victim victim)
    {
        await using var installation = await StageAsync(targets: 1, durableTargets: true);
        var dead = installation.Targets[0];
        var killed = victim == Victim.Destination ? dead : installation.Config;
        var node = await installation.StartNodeAsync(Settings());
        var pipeline = await StartAsync(installation, node);
        var random = new Random(8);
        await using (SteadyTraffic.Start(installation.SourceConnection, TimeSpan.FromMilliseconds(20), () => StepTable.Statement(random)))
        {
            await dead.StopAsync();
            // The destination is away all the time while its changes are spilled.
            foreach (var failpoint in victim == Victim.ConfigDatabase ? WhileSpilling : [])
            {
                await KillAtAsync(failpoint, () => Task.CompletedTask);
                var through = (await DeadAsync(node, pipeline)).Spill?.Through;
                await Wait.UntilAsync(async () => (await DeadAsync(node, pipeline)).Spill is { Through: { } now } && now != through, "the log to go on", Installation.Patience);
            }

            foreach (var failpoint in WhileDraining)
            {
                await SpilledAsync(node, pipeline);
                await KillAtAsync(failpoint, () => dead.StartAsync());
                await DrainedAsync(node, pipeline);
                if (failpoint != WhileDraining[^1])
                    await dead.StopAsync();
            }
        }

        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await StepTable.AssertEqualAsync(installation);
        await Wait.UntilAsync(async () => await installation.Config.ScalarAsync<long>("SELECT count(*) FROM spill_parts", "rosetta") == 0, "nothing to be left of the log", Installation.Patience);

        async Task KillAtAsync(string failpoint, Func<Task> lead)
        {
            await node.ComeToAsync(failpoint, dies: false, async () =>
            {
                await lead();
                return true;
            });
            await killed.KillAsync();
            node.Process.Thaw();
            await killed.StartAsync();
            await node.ReadyAsync();
        }
    }
}
