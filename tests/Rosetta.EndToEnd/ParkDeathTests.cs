using Rosetta.Core.Failpoints;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.EndToEnd;

/// <summary>Changes that are refused are parked once, with what comes after them, though something is killed or freezes at each step of it.</summary>
public sealed class ParkDeathTests
{
    [Theory]
    [InlineData(Victim.Node)]
    [InlineData(Victim.Destination)]
    [InlineData(Victim.ConfigDatabase)]
    [InlineData(Victim.Redis)]
    public async Task Should_park_once_though_something_is_killed_in_the_middle(Victim victim)
    {
        await using var stage = await LetterStage.StartAsync(victim);
        var first = 1;
        foreach (var failpoint in (string[])[FailpointNames.ParkRecorded, FailpointNames.ParkStored])
        {
            await stage.TargetAsync("ALTER TABLE orders DROP CONSTRAINT IF EXISTS small; TRUNCATE writes; ALTER TABLE orders ADD CONSTRAINT small CHECK (v < 100) NOT VALID");
            await stage.KillAsync(victim, failpoint, () => RefuseAsync(stage, first), async () => Assert.Equal((0, failpoint == FailpointNames.ParkStored ? 4 : 0), (await stage.ParkedAsync(), await stage.PayloadsAsync())));
            await AssertParkedAndRecoverAsync(stage, first);
            first += 40;
        }
    }

    [Theory]
    [InlineData(FailpointNames.ParkRecorded, false)]
    [InlineData(FailpointNames.ParkRecorded, true)]
    [InlineData(FailpointNames.ParkStored, true)]
    public async Task Should_write_nothing_anywhere_after_it_froze_while_it_parked_and_was_taken_over(string failpoint, bool inRedis)
    {
        await using var stage = await LetterStage.StartAsync(inRedis: inRedis);
        var other = await stage.FreezeAsync(failpoint, () => RefuseAsync(stage, 1));
        await AssertParkedAndRecoverAsync(stage, 1, other);
    }

    /// <summary>Four are refused, of one transaction with 36 others.</summary>
    static Task<int> RefuseAsync(LetterStage stage, int first) =>
        stage.SourceAsync($"UPDATE orders SET v = CASE WHEN id < {first + 4} THEN 100 ELSE 1 END WHERE id BETWEEN {first} AND {first + 39}");

    static async Task AssertParkedAndRecoverAsync(LetterStage stage, int first, NodeProcess? node = null)
    {
        var api = (node ?? stage.Node).Api;
        await stage.WaitForParkedAsync(4);
        await stage.SourceAsync($"UPDATE orders SET v = 2 WHERE id = {first}");
        await stage.WaitForParkedAsync(5);
        await Wait.UntilAsync(async () => await stage.PayloadsAsync() == 5, "a payload of each", Installation.Patience);
        await stage.Installation.WaitUntilCaughtUpAsync(api, stage.Pipeline);
        Assert.Equal((4, 36, 36), (
            await stage.ParkedAsync("failed"), await stage.TargetScalarAsync<long>("SELECT count(*) FROM writes"), await stage.TargetScalarAsync<long>("SELECT count(DISTINCT id) FROM writes WHERE v = 1")));
        await stage.TargetAsync("ALTER TABLE orders DROP CONSTRAINT small");
        var recovered = await stage.EndAsync(await stage.OrderAsync("recover-dlq", new { table = "orders" }, api), api);
        Assert.Equal(("COMPLETED", 5, 0), (recovered.State, recovered["recovered"], recovered["failed"]));
        await stage.AssertNothingLeftAsync(api);
        await stage.AssertSameAsync("orders");
        Assert.Equal("100,2", await stage.TargetScalarAsync<string>($"SELECT string_agg(v::text, ',' ORDER BY n) FROM writes WHERE id = {first}"));
        Assert.Equal(36 + 5, await stage.TargetScalarAsync<long>("SELECT count(*) FROM writes"));
    }
}
