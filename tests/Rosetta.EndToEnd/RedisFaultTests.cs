using System.Globalization;
using Rosetta.Client.Answers;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>
/// What is wrong with the Redis that keeps dead letters costs nothing but time, and only the destination that has to park: it waits, holds the slot, and says what mends it; then everything
/// comes back by itself.
/// </summary>
public sealed class RedisFaultTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Should_wait_for_a_full_Redis_until_it_gets_memory()
    {
        await using var redis = await RedisServer.StartAsync(Durable(("maxmemory", "4mb"), ("maxmemory-policy", "noeviction")));
        await using var stage = await RefusalStage.StartAsync(output, redis);
        await using (var traffic = stage.Traffic(Random.Shared.Next()))
        {
            await FillAsync(stage, traffic);
            // Whichever incarnation finds it full.
            await stage.KillNodeAsync();
            await stage.AssertHeldAsync(traffic, "ERROR", "is full", "CONFIG SET maxmemory");
            await RedisLetters.RunAsync(redis, "CONFIG SET maxmemory 200mb");
            await stage.AssertGoesOnAsync();
        }

        await stage.AssertHealsAsync();
    }

    [Fact]
    public async Task Should_make_room_in_a_full_Redis_by_what_can_be_applied_again()
    {
        await using var redis = await RedisServer.StartAsync(Durable(("maxmemory", "4mb"), ("maxmemory-policy", "noeviction")));
        await using var stage = await RefusalStage.StartAsync(output, redis);
        await using (var traffic = stage.Traffic(Random.Shared.Next()))
        {
            await FillAsync(stage, traffic);
            await stage.DropConstraintAsync();
            await stage.AssertGoesOnAsync();
        }

        await stage.AssertHealsAsync();
    }

    [Theory]
    [InlineData("no append-only file", "CONFIG SET appendonly yes", "appendonly", "no")]
    [InlineData("deletes entries when it is full", "CONFIG SET maxmemory-policy noeviction", "maxmemory-policy", "allkeys-lru")]
    public async Task Should_put_nothing_into_a_Redis_that_may_lose_it_until_its_setting_is_mended(string error, string remedy, string name, string value)
    {
        await using var redis = await RedisServer.StartAsync(Durable((name, value), ("maxmemory", "200mb")));
        await using var stage = await RefusalStage.StartAsync(output, redis);
        await using (var traffic = stage.Traffic(Random.Shared.Next()))
        {
            await stage.AssertHeldAsync(traffic, "ERROR", error, remedy);
            Assert.Equal((0, 0), (await stage.ParkedAsync(), await RedisLetters.CountAsync(redis)));
            await RedisLetters.FollowAsync(redis, (await stage.BadAsync()).Remedy!);
            await stage.AssertGoesOnAsync();
        }

        await stage.AssertHealsAsync();
    }

    [Fact]
    public async Task Should_start_without_its_Redis_and_wait_for_it_whenever_it_is_killed_while_changes_are_parked()
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        await using var redis = await RedisServer.StartAsync(Durable());
        await redis.StopAsync();
        await using var stage = await RefusalStage.StartAsync(output, redis);
        await using (var traffic = stage.Traffic(seed))
        {
            await stage.AssertHeldAsync(traffic, "RETRYING", "does not answer", "Start it, or correct REDIS_URL");
            Assert.Equal(0, await stage.ParkedAsync());
            await redis.StartAsync();
            await stage.AssertGoesOnAsync();
            for (var i = 0; i < 5; i++)
            {
                // Wherever it is in the middle of what it does.
                await stage.WaitForParkedAsync(await stage.ParkedAsync() + random.Next(1, 10));
                await redis.KillAsync();
                if (i == 2)
                    await stage.AssertHeldAsync(traffic, "RETRYING", "does not answer", "Start it, or correct REDIS_URL");
                await redis.StartAsync();
                await stage.AssertGoesOnAsync();
            }

            output.WriteLine($"{await stage.ParkedAsync()} changes parked");
        }

        await stage.AssertHealsAsync();
    }

    [Fact]
    public async Task Should_find_out_that_its_Redis_was_emptied_and_be_mended_as_it_says()
    {
        await using var redis = await RedisServer.StartAsync(Durable());
        await using var stage = await RefusalStage.StartAsync(output, redis);
        await using (var traffic = stage.Traffic(Random.Shared.Next()))
        {
            await stage.WaitForParkedAsync(20);
            await RedisLetters.RunAsync(redis, "FLUSHALL");
            await stage.AssertHeldAsync(traffic, "ERROR", "was emptied, or exchanged", "DELETE FROM dead_letter_store", "rosetta dlq discard", "resync");
            // What is parked is not taken for done, by this incarnation or the next one.
            Assert.True(await stage.ParkedAsync() >= 20);
            await stage.KillNodeAsync();
            await stage.AssertHeldAsync(traffic, "ERROR", "was emptied, or exchanged", "DELETE FROM dead_letter_store", "rosetta dlq discard", "resync");
            Assert.True(await stage.ParkedAsync() >= 20);
            Assert.Equal(0, await RedisLetters.CountAsync(redis));

            // Word by word.
            await stage.DropConstraintAsync();
            await stage.Installation.Config.ExecuteAsync("DELETE FROM dead_letter_store", "rosetta");
            var destination = $"pipelines/{stage.Pipeline}/destinations/{(await Installation.DestinationIdsAsync(stage.Node.Api, stage.Pipeline))[1]}";
            // Changes that do not fit what is left without them are parked from then on, and come back after the copy.
            var order = (await stage.Node.Api.PostAsync($"{destination}/dlq/discard", new { table = "public.orders", reason = "lost" })).As<RecoveryStarted>().RecoveryId;
            await Wait.UntilAsync(
                async () => (await stage.Node.Api.GetAsync($"{destination}/recover-dlq/{order}")).As<Recovery>() is { State: "COMPLETED", Discarded: >= 20 },
                "what was lost to be taken out", Installation.Patience);
            var request = (await stage.Node.Api.PostAsync($"{destination}/tables/public.orders/resync")).As<DestinationTable>().RequestId;
            await Wait.UntilAsync(
                async () => await stage.BadAsync() is { LastError: null, Tables: { } tables } && tables.Any(t => t.LastResync?.RequestId == request), "the table to be made equal", Installation.Patience);
            output.WriteLine($"{await stage.ParkedAsync()} changes parked after the resync");
        }

        await stage.AssertHealsAsync();
    }

    [Fact]
    public async Task Should_spill_and_drain_though_its_Redis_is_killed()
    {
        const long budget = 64 << 20;
        await using var redis = await RedisServer.StartAsync(Durable());
        await using var stage = await RefusalStage.StartAsync(
            output, redis, new Dictionary<string, string?> { ["ROSETTA__PIPELINES__SPILLWAL"] = budget.ToString(CultureInfo.InvariantCulture) });
        await stage.DropConstraintAsync();
        var random = new Random(5);
        await using (SteadyTraffic.Start(stage.Installation.SourceConnection, TimeSpan.FromMilliseconds(20), () => StepTable.Statement(random)))
        {
            await stage.Bad.StopAsync();
            await Wait.UntilAsync(async () => (await stage.BadAsync()).Spill is { Transactions: > 50 }, "changes to be spilled", Installation.Patience);
            await redis.KillAsync();
            var before = (await stage.BadAsync()).Spill;
            var slot = await stage.SlotAsync();
            await Wait.UntilAsync(async () => (await stage.BadAsync()).Spill is { } spill && spill.Transactions > before!.Transactions + 200, "more to be spilled", Installation.Patience);
            await Wait.UntilAsync(async () => await stage.SlotAsync() > slot, "the slot to go on", Installation.Patience);
            Assert.Null((await stage.BadAsync()).Spill!.Error);
            await stage.Bad.StartAsync();
            await Wait.UntilAsync(async () => await stage.BadAsync() is { Lane: "ATTACHED", Spill: null }, "the log to be drained", Installation.Patience);
        }

        await stage.Installation.WaitUntilCaughtUpAsync(stage.Node.Api, stage.Pipeline);
        await StepTable.AssertEqualAsync(stage.Installation);
        await redis.StartAsync();
        await stage.AssertEqualAsync();
    }

    async Task FillAsync(RefusalStage stage, SteadyTraffic traffic)
    {
        await stage.FillAsync("Redis");
        await stage.AssertHeldAsync(traffic, "ERROR", "is full", "CONFIG SET maxmemory");
        output.WriteLine($"{await stage.ParkedAsync()} changes parked");
    }

    static RedisServerOptions Durable(params (string Name, string Value)[] settings) => new() { Durable = true, Settings = settings.ToDictionary(s => s.Name, s => s.Value) };
}
