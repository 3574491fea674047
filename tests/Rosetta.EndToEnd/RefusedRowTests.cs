using Rosetta.Core.Failpoints;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>Rows that are read again, since an update without all of their values did not find them, and that the destination refuses are parked though something dies meanwhile.</summary>
public sealed class RefusedRowTests(ITestOutputHelper output)
{
    static readonly string[] Steps = [FailpointNames.RefusedRecorded, FailpointNames.RefusedStored, FailpointNames.ChunkBeforeCommit, FailpointNames.ChunkAfterCommit];

    [Theory]
    [InlineData(Victim.Node)]
    [InlineData(Victim.Source)]
    [InlineData(Victim.Destination)]
    [InlineData(Victim.ConfigDatabase)]
    [InlineData(Victim.Redis)]
    public async Task Should_park_the_rows_that_are_refused_once_though_something_is_killed_at_each_step_and_bring_them_back(Victim victim)
    {
        await using var stage = await LetterStage.StartAsync(victim);
        await stage.SourceAsync("ALTER TABLE orders ALTER note SET STORAGE EXTERNAL; UPDATE orders SET note = repeat('x', 3000) WHERE id <= 40");
        await Wait.UntilAsync(async () => await stage.TargetScalarAsync<long>("SELECT count(*) FROM orders WHERE length(note) = 3000") == 40, "the large values to have come", Installation.Patience);
        var first = 1;
        foreach (var failpoint in Steps)
        {
            var ours = $"id BETWEEN {first} AND {first + 9}";
            var isCommitted = failpoint == FailpointNames.ChunkAfterCommit;
            await stage.TargetAsync(
                $"ALTER TABLE orders DROP CONSTRAINT IF EXISTS small; DELETE FROM orders WHERE {ours}; TRUNCATE writes; ALTER TABLE orders ADD CONSTRAINT small CHECK (v < 100) NOT VALID");
            await stage.KillAsync(
                victim, failpoint, () => stage.SourceAsync($"UPDATE orders SET v = CASE WHEN id < {first + 3} THEN 100 ELSE 1 END WHERE {ours}"),
                async () =>
                {
                    Assert.Equal((isCommitted ? 3 : 0, failpoint == FailpointNames.RefusedRecorded ? 0 : 3), (await stage.ParkedAsync(), await stage.PayloadsAsync()));
                    // One of them is right by now: read again it lands, parked already it waits.
                    await stage.SourceAsync($"UPDATE orders SET v = 2 WHERE id = {first}");
                });

            // The landing may be through before it notices the death, or not; and the landing's commit does not wait for the destination's disk.
            var (parked, there) = (0L, 0L);
            await Wait.UntilAsync(
                async () => (parked = await stage.ParkedAsync(), there = await stage.TargetScalarAsync<long>($"SELECT count(*) FROM orders WHERE {ours}")) is (2, 8) or (4, 7),
                "all rows to be there or parked", Installation.Patience);
            output.WriteLine($"{failpoint}: {parked} changes parked");
            if (victim == Victim.Node || (victim == Victim.Destination && !isCommitted))
                Assert.Equal(isCommitted ? 4 : 2, parked);
            await Wait.UntilAsync(async () => await stage.PayloadsAsync() == parked, "no payload to be left of what is not parked", Installation.Patience);
            await Wait.UntilAsync(
                async () => (await Installation.PipelineAsync(stage.Node.Api, stage.Pipeline)).Destinations[0].Tables!.All(t => t.State == "STREAMING"), "all tables to stream", Installation.Patience);
            Assert.Equal((parked == 2 ? 2 : 3, 7), (await stage.ParkedAsync("failed"), await stage.TargetScalarAsync<long>("SELECT count(*) FROM writes WHERE v = 1")));

            await stage.TargetAsync("ALTER TABLE orders DROP CONSTRAINT small");
            var recovered = await stage.DoAsync("recover-dlq", new { table = "public.orders" });
            Assert.Equal(("COMPLETED", parked, 0), (recovered.State, recovered["recovered"], recovered["failed"]));
            await stage.AssertNothingLeftAsync();
            await stage.AssertSameAsync("orders", "others");
            Assert.Equal(2, await stage.TargetScalarAsync<int>($"SELECT v FROM writes WHERE id = {first} ORDER BY n DESC LIMIT 1"));
            first += 10;
        }
    }
}
