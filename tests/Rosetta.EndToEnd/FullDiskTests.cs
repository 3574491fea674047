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
            await Wait.UntilAsync(
                async () =>
                {
                    await stage.Source.ExecuteAsync(RefusalStage.LargePoison, Installation.Database);
                    return (await stage.BadAsync()).HealthStatus == "ERROR";
                },
                "the disk to be full", Installation.Patience);
            // As long as a row that has to be parked in front of it does not fit; this one comes behind it.
            await stage.AssertHeldAsync(traffic, "ERROR", "Make room on the disk of the config database", "dead_letters");
            await disk.GrowAsync();
            await stage.AssertParksAgainAsync();
        }

        output.WriteLine($"{await stage.ParkedAsync()} changes parked");
        await stage.AssertHealsAsync();
    }
}
