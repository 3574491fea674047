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

    [Theory]
    [InlineData(Victim.Node)]
    [InlineData(Victim.Destination)]
    [InlineData(Victim.ConfigDatabase)]
    [InlineData(Victim.Redis)]
    public async Task Should_supersede_what_is_parked_once_though_something_is_killed_in_the_middle(Victim victim)
    {
        await using var stage = await LetterStage.StartAsync(victim);
        var first = 1;
        foreach (var failpoint in Steps)
        {
            await stage.TargetAsync("ALTER TABLE orders DROP CONSTRAINT IF EXISTS small; TRUNCATE writes; ALTER TABLE orders ADD CONSTRAINT small CHECK (v < 100) NOT VALID");
            await stage.SourceAsync($"UPDATE orders SET v = 100 WHERE id BETWEEN {first} AND {first + 39}");
            await stage.WaitForParkedAsync(40);
            // Nothing comes back by itself here: what goes is superseded.
            await stage.TargetAsync("ALTER TABLE orders DROP CONSTRAINT small");
            var id = await stage.KillAsync(
                victim, failpoint, () => BackfillAsync(stage),
                async () => Assert.Equal((failpoint == FailpointNames.ChunkAfterCommit ? 0 : 40, 40), (await stage.ParkedAsync(), await stage.PayloadsAsync())),
                // The chunk lands without the store; the payloads go when it is there again.
                victim is Victim.ConfigDatabase or Victim.Redis ? _ => stage.WaitForParkedAsync(0) : null);
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

    static async Task<long> BackfillAsync(LetterStage stage) =>
        (await stage.Node.Api.PostAsync($"pipelines/{stage.Pipeline}/backfill", new StartBackfill("orders"))).As<Backfill>().Id;
}
