using Rosetta.Client.Answers;
using Rosetta.Client.Requests;
using Rosetta.Core.Failpoints;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.EndToEnd;

/// <summary>
/// A chunk of a backfill takes out what is parked of its keys, and something is killed at each step of that: it does so once, with its rows, or not at all. (A resync forgets
/// what is parked of its table when it begins.)
/// </summary>
public sealed class SupersedingDeathTests
{
    static readonly string[] Steps = [FailpointNames.ChunkSuperseded, FailpointNames.ChunkBeforeCommit, FailpointNames.ChunkAfterCommit];

    public enum Victim
    {
        Node,
        Destination,
        ConfigDatabase,
    }

    [Theory]
    [InlineData(Victim.Node)]
    [InlineData(Victim.Destination)]
    [InlineData(Victim.ConfigDatabase)]
    public async Task Should_supersede_what_is_parked_once_though_something_is_killed_in_the_middle(Victim victim)
    {
        await using var stage = await LetterStage.StartAsync(durableTarget: true);
        var first = 1;
        foreach (var failpoint in Steps)
        {
            await stage.TargetAsync("ALTER TABLE orders DROP CONSTRAINT IF EXISTS small; TRUNCATE writes; ALTER TABLE orders ADD CONSTRAINT small CHECK (v < 100) NOT VALID");
            await stage.SourceAsync($"UPDATE orders SET v = 100 WHERE id BETWEEN {first} AND {first + 39}");
            await stage.WaitForParkedAsync(40);
            // Nothing comes back by itself here: what goes is superseded.
            await stage.TargetAsync("ALTER TABLE orders DROP CONSTRAINT small");
            var id = victim switch
            {
                Victim.Node => await DieAsync(stage, failpoint),
                Victim.Destination => await stage.LoseAsync(stage.Target, failpoint, () => BackfillAsync(stage)),
                // The chunk lands without the store; the payloads go when it is there again.
                _ => await stage.LoseAsync(stage.Installation.Config, failpoint, () => BackfillAsync(stage), () => stage.WaitForParkedAsync(0)),
            };
            Backfill? job = null;
            await Wait.UntilAsync(
                async () => !(job = (await stage.Node.Api.GetAsync($"pipelines/{stage.Pipeline}/backfill/{id}")).As<Backfill>()).IsOpen, $"the backfill to end after {failpoint}", Installation.Patience);
            Assert.Equal("COMPLETED", job!.Status);
            await stage.AssertNothingLeftAsync();
            await stage.AssertSameAsync("orders");
            Assert.Equal(40, await stage.TargetScalarAsync<long>("SELECT count(*) FROM writes WHERE v = 100"));
            first += 40;
        }
    }

    static async Task<string> BackfillAsync(LetterStage stage) =>
        (await stage.Node.Api.PostAsync($"pipelines/{stage.Pipeline}/backfill", new StartBackfill("orders"))).As<Backfill>().Id.ToString(System.Globalization.CultureInfo.InvariantCulture);

    static async Task<string> DieAsync(LetterStage stage, string failpoint)
    {
        await stage.Node.KillAsync();
        await stage.Node.StartAsync(extra: new Dictionary<string, string?> { [Failpoint.SettingName] = $"{failpoint}=kill" });
        var id = await BackfillAsync(stage);
        await Wait.UntilAsync(() => stage.Node.Process.HasExited, $"the node to die at {failpoint}", Installation.Patience);
        var left = failpoint == FailpointNames.ChunkAfterCommit ? 0 : 40;
        Assert.Equal((left, 40), (await stage.ParkedAsync(), await stage.ConfigScalarAsync<long>("SELECT count(*) FROM dead_letters")));
        await stage.Node.StartAsync();
        return id;
    }
}
