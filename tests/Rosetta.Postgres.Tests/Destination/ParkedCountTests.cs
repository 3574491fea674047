using Rosetta.Core.DeadLetters;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>How much is parked, as it is shown.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class ParkedCountTests(DestinationServer server) : ParkingStage(server)
{
    [Fact]
    public async Task Should_count_what_is_parked_with_what_waits_and_tell_since_when()
    {
        await using var replica = await StartAsync();
        Assert.Equal(new ParkedCount(0, null), await replica.Session.CountParkedAsync(default));
        var before = DateTimeOffset.UtcNow;
        await replica.SourceAsync("UPDATE bad SET v = 100000 WHERE id <= 3");
        await replica.SyncWithStopsAsync();
        await replica.SourceAsync("UPDATE bad SET v = 1 WHERE id = 1; UPDATE bad SET v = 2 WHERE id = 500");
        await replica.SyncWithStopsAsync();

        var some = await replica.Session.CountParkedAsync(default);
        Assert.Equal(4, some.Changes);
        Assert.InRange(some.Oldest!.Value, before.AddSeconds(-1), DateTimeOffset.UtcNow);
        await replica.SourceAsync("TRUNCATE bad");
        await replica.SyncWithStopsAsync();
        Assert.Equal(0, (await replica.Session.CountParkedAsync(default)).Changes);
    }
}
