using System.Globalization;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>The disk of the config database is full when changes have to be put there: the slot waits, what is missing is said, and nothing is lost.</summary>
public sealed class FullDiskTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Should_park_nothing_on_a_full_disk_hold_the_slot_and_go_on_when_there_is_room()
    {
        await using var stage = await RefusalStage.StartAsync(output, redis: null);
        await using var disk = await SmallDisk.MountAsync(stage.Installation.Config, "rosetta", "dead_letters");
        await using (var traffic = stage.Traffic(Random.Shared.Next()))
        {
            await stage.FillAsync("the disk");
            // As long as a row that has to be parked in front of it does not fit; this one comes behind it.
            await stage.AssertHeldAsync(traffic, "ERROR", "Make room on the disk of the config database", "dead_letters");
            await disk.GrowAsync();
            await stage.AssertGoesOnAsync();
        }

        output.WriteLine($"{await stage.ParkedAsync()} changes parked");
        await stage.AssertHealsAsync();
    }

    [Fact]
    public async Task Should_spill_nothing_on_a_full_disk_hold_the_slot_and_go_on_when_there_is_room()
    {
        const long budget = 64 << 20;
        await using var stage = await RefusalStage.StartAsync(
            output, redis: null, new Dictionary<string, string?> { ["ROSETTA__PIPELINES__SPILLWAL"] = budget.ToString(CultureInfo.InvariantCulture) });
        await stage.DropConstraintAsync();
        await using var disk = await SmallDisk.MountAsync(stage.Installation.Config, "rosetta", "spill_parts");
        await using (var traffic = SteadyTraffic.Start(stage.Installation.SourceConnection, TimeSpan.FromMilliseconds(500), () => RefusalStage.LargePoison))
        {
            await stage.Bad.StopAsync();
            await Wait.UntilAsync(async () => (await stage.BadAsync()).Spill is { Error: not null }, "the disk to be full", Installation.Patience);
            var spill = (await stage.BadAsync()).Spill!;
            output.WriteLine($"{spill.Transactions} transactions, {spill.Bytes} bytes through {spill.Through}: {spill.Error}\n    remedy: {spill.Remedy}");
            Assert.Contains("Make room on the disk of the config database", spill.Remedy, StringComparison.Ordinal);
            Assert.Contains("spill_parts", spill.Remedy, StringComparison.Ordinal);
            await traffic.WaitForAsync(500);
            var end = await stage.WaitForGoodAsync();
            Assert.True(await stage.SlotAsync() <= Installation.Lsn((await stage.BadAsync()).Spill!.Through), "The slot went by what is nowhere else.");

            await disk.GrowAsync();
            await Wait.UntilAsync(async () => (await stage.BadAsync()).Spill is { Error: null }, "the disk not to be full any more", Installation.Patience);
            output.WriteLine($"{await stage.BadAsync()}");
            await Wait.UntilAsync(async () => await stage.BadAsync() is { Spill: { Error: null, Through: { } through } } && Installation.Lsn(through) > end, "the log to go on", Installation.Patience);
            await Wait.UntilAsync(async () => await stage.SlotAsync() > end, "the slot to go on", Installation.Patience);
            await stage.Bad.StartAsync();
            await Wait.UntilAsync(async () => await stage.BadAsync() is { Lane: "ATTACHED", Spill: null }, "the log to be drained", Installation.Patience);
        }

        await stage.AssertEqualAsync();
    }
}
