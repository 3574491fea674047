using Rosetta.Core.Failpoints;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.EndToEnd;

/// <summary>Rows that are read again, since an update without all of their values did not find them, and that the destination refuses are parked though the node dies meanwhile.</summary>
public sealed class RefusedRowTests
{
    [Theory]
    [InlineData(FailpointNames.RefusedRecorded, 0)]
    [InlineData(FailpointNames.RefusedStored, 0)]
    [InlineData(FailpointNames.ChunkBeforeCommit, 0)]
    [InlineData(FailpointNames.ChunkAfterCommit, 3)]
    public async Task Should_park_the_rows_that_are_refused_once_though_the_node_dies_and_bring_them_back(string failpoint, int atDeath)
    {
        await using var stage = await LetterStage.StartAsync();
        await stage.SourceAsync("ALTER TABLE orders ALTER note SET STORAGE EXTERNAL; UPDATE orders SET note = repeat('x', 3000) WHERE id <= 10");
        await Wait.UntilAsync(async () => await stage.TargetScalarAsync<long>("SELECT count(*) FROM orders WHERE length(note) = 3000") == 10, "the large values to have come", Installation.Patience);
        await stage.Node.KillAsync();
        await stage.TargetAsync("DELETE FROM orders WHERE id <= 10");
        await stage.Node.StartAsync(extra: new Dictionary<string, string?> { [Failpoint.SettingName] = $"{failpoint}=kill" });
        await stage.SourceAsync("UPDATE orders SET v = CASE WHEN id <= 3 THEN 100 ELSE 1 END WHERE id <= 10");
        await Wait.UntilAsync(() => stage.Node.Process.HasExited, $"the node to die at {failpoint}", Installation.Patience);
        Assert.Equal(atDeath, await stage.ParkedAsync());
        Assert.Equal(failpoint == FailpointNames.RefusedRecorded ? 0 : 3, await stage.ConfigScalarAsync<long>("SELECT count(*) FROM dead_letters"));

        // One of them is right by now: read again it lands, parked already it waits.
        await stage.SourceAsync("UPDATE orders SET v = 2 WHERE id = 1");
        await stage.Node.StartAsync();
        await stage.WaitForParkedAsync(atDeath == 0 ? 2 : 4);
        await Wait.UntilAsync(async () => await stage.TargetScalarAsync<long>("SELECT count(*) FROM orders WHERE id <= 10") == (atDeath == 0 ? 8 : 7), "the other rows to be there", Installation.Patience);
        await Wait.UntilAsync(
            async () => await stage.ConfigScalarAsync<long>("SELECT count(*) FROM dead_letters") == await stage.ParkedAsync(), "no payload to be left of what is not parked", Installation.Patience);
        await Wait.UntilAsync(
            async () => (await Installation.PipelineAsync(stage.Node.Api, stage.Pipeline)).Destinations[0].Tables!.All(t => t.State == "STREAMING"), "all tables to stream", Installation.Patience);
        Assert.Equal(7, await stage.TargetScalarAsync<long>("SELECT count(*) FROM writes WHERE v = 1 AND id BETWEEN 4 AND 10"));

        await stage.TargetAsync("ALTER TABLE orders DROP CONSTRAINT small");
        var recovered = await stage.DoAsync("recover-dlq", new { table = "public.orders" });
        Assert.Equal(("COMPLETED", atDeath == 0 ? 2 : 4, 0), (recovered.State, (int)recovered["recovered"], (int)recovered["failed"]));
        await stage.AssertNothingLeftAsync();
        await stage.AssertSameAsync("orders", "others");
        Assert.Equal(2, await stage.TargetScalarAsync<int>("SELECT v FROM writes WHERE id = 1 ORDER BY n DESC LIMIT 1"));
    }
}
