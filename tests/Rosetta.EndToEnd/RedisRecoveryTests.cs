using Rosetta.Client;
using Rosetta.Client.Answers;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>Orders about dead letters in a Redis, which is killed in the middle of them: they wait, and each is done once.</summary>
public sealed class RedisRecoveryTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Should_recover_each_change_once_though_Redis_is_killed_in_the_middle_and_say_what_it_waits_for()
    {
        await using var stage = await LetterStage.StartAsync(Victim.Redis);
        await stage.ParkManyAsync();
        Assert.Equal(500, (await stage.Node.Api.GetAsync($"{stage.Path}/dlq/count")).As<DeadLetterCount>().Count);
        await stage.SlowDownAsync();
        var id = await stage.OrderAsync("recover-dlq");
        await Wait.UntilAsync(async () => (await stage.FindAsync(id))["recovered"] > 0, "some to be recovered", Installation.Patience);

        await stage.Redis!.KillAsync();
        await stage.WaitForRedisAsync(id);
        output.WriteLine($"{await stage.FindAsync(id)}");
        Assert.Equal(503, (await Assert.ThrowsAsync<ApiException>(() => stage.Node.Api.GetAsync($"{stage.Path}/dlq"))).Status);
        Assert.InRange(await stage.ParkedAsync(), 1, 499);
        await stage.Redis!.StartAsync();

        var ended = await stage.EndAsync(id);
        output.WriteLine($"{ended}");
        // What was applied when it died was not counted.
        Assert.True(ended.State == "COMPLETED" && ended["recovered"] is >= 300 and <= 500 && ended["failed"] == 0 && ended["lost"] == 0, $"{ended}");
        await stage.AssertNothingLeftAsync();
        await stage.AssertSameAsync("orders");
        Assert.Equal((500, 500), (
            await stage.TargetScalarAsync<long>("SELECT count(*) FROM writes WHERE v = 100"), await stage.TargetScalarAsync<long>("SELECT count(DISTINCT id) FROM writes WHERE v = 100")));
    }

    [Fact]
    public async Task Should_edit_and_discard_once_though_Redis_is_killed_wherever_it_is()
    {
        await using var stage = await LetterStage.StartAsync(Victim.Redis);
        for (var id = 1; id <= 8; id++)
        {
            await stage.SourceAsync($"UPDATE orders SET v = 100 WHERE id = {id}");
            await stage.WaitForParkedAsync(1);
            await stage.SourceAsync($"UPDATE orders SET v = 7 WHERE id = {id}");
            await stage.WaitForParkedAsync(2);
            var entry = (await stage.EntriesAsync())[0];
            var isEdit = id % 2 == 1;
            var order = isEdit ? await stage.OrderAsync($"dlq/{entry}/retry", new { @new = new { v = "50" } }) : await stage.OrderAsync($"dlq/{entry}/discard", new { reason = $"of {id}" });
            // Before it was begun, in the middle of it, or after it: one after the other.
            if (id > 2)
                await Wait.UntilAsync(async () => (await stage.FindAsync(order)).State != "PENDING", "the order to be begun", Installation.Patience);
            await stage.Redis!.KillAsync();
            var killed = await stage.FindAsync(order);
            await stage.Redis!.StartAsync();
            var ended = await stage.EndAsync(order);
            output.WriteLine($"killed at {killed.State}, ended {ended}");
            Assert.True(ended.State == "COMPLETED" && ended[isEdit ? "recovered" : "discarded"] == (isEdit ? 2 : 1), $"{ended}");
            if (!isEdit)
                Assert.Equal("COMPLETED", (await stage.DoAsync("recover-dlq")).State);
            await stage.AssertNothingLeftAsync();
            Assert.Equal(isEdit ? "50,7" : "7", await stage.TargetScalarAsync<string>($"SELECT string_agg(v::text, ',' ORDER BY n) FROM writes WHERE id = {id}"));
        }

        await stage.AssertSameAsync("orders");
        Assert.Equal("DISCARD 4, EDIT 4", await stage.ConfigScalarAsync<string>(
            "SELECT string_agg(action || ' ' || n, ', ' ORDER BY action) FROM (SELECT action, count(*) AS n FROM dead_letter_audit WHERE done_at IS NOT NULL AND payload IS NOT NULL GROUP BY action) a"));
    }
}
