using Rosetta.Core.Destinations;
using Rosetta.Core.Failpoints;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>Parked changes come back in order, once, when nothing refuses them any more.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class RecoveryTests(DestinationServer server) : ParkingStage(server)
{
    [Fact]
    public async Task Should_bring_parked_changes_back_in_order_when_they_can_be_applied()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("UPDATE bad SET v = 100000 WHERE id <= 20; INSERT INTO bad VALUES (5000, 'p', 100000), (5001, 'p', 100001)");
        await replica.SyncWithStopsAsync();
        await replica.SourceAsync("UPDATE bad SET id = 3001 WHERE id = 1; UPDATE bad SET v = 100001 WHERE id = 2; DELETE FROM bad WHERE id = 3; UPDATE bad SET v = 4 WHERE id = 4; DELETE FROM bad WHERE id = 5000; INSERT INTO bad VALUES (3, 'p', 200000)");
        await replica.SyncWithStopsAsync();
        await replica.SourceAsync("ALTER TABLE bad ADD w int DEFAULT 7; UPDATE bad SET w = 8 WHERE id IN (5, 3001, 500); UPDATE bad SET id = 3002 WHERE id = 3001");
        await replica.SyncWithStopsAsync();
        Assert.NotEmpty(await Parked.RecoverAsync(replica, Bad));

        await replica.TargetAsync("ALTER TABLE bad DROP CONSTRAINT small");
        Assert.Empty(await Parked.RecoverAsync(replica, Bad));
        Assert.Empty(replica.Session.Parked);
        Assert.Equal(0, await replica.TargetScalarAsync<long>("SELECT count(*) FROM rosetta.parked"));
        await replica.AssertEqualAsync();
        await replica.SourceAsync("UPDATE bad SET v = id WHERE id < 30 OR id > 3000; DELETE FROM bad WHERE id = 2");
        Assert.Equal(0, (await replica.SyncWithStopsAsync()).Parked);
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_try_without_a_trace_and_say_which_change_fails()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("UPDATE bad SET v = 100000 WHERE id = 1");
        await replica.SyncWithStopsAsync();
        await replica.SourceAsync("UPDATE bad SET v = 1 WHERE id = 1");
        await replica.SyncWithStopsAsync();
        var failure = Assert.Single(await Parked.RecoverAsync(replica, Bad, isTrial: true));
        Assert.Equal((Parked.All[0].At, "23514"), (failure.FailedAt!.Value, failure.Failure!.SqlState));
        await replica.TargetAsync("ALTER TABLE bad DROP CONSTRAINT small");
        Assert.Empty(await Parked.RecoverAsync(replica, Bad, isTrial: true));
        Assert.Equal((2, false), (await replica.TargetScalarAsync<long>("SELECT count(*) FROM rosetta.parked"), replica.Session.Parked[Bad]));
        // Nothing of the trial is in the way.
        await replica.SourceAsync("UPDATE bad SET v = 2 WHERE id = 1; UPDATE bad SET v = 3 WHERE id = 2");
        Assert.Equal(1, (await replica.SyncWithStopsAsync()).Parked);
        Assert.Empty(await Parked.RecoverAsync(replica, Bad));
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_recover_a_table_that_is_parked_whole()
    {
        await using var replica = await StartAsync("CREATE TABLE bad (v int, w text); ALTER TABLE bad REPLICA IDENTITY FULL; INSERT INTO bad VALUES (1, 'a'), (1, 'a')");
        await replica.SourceAsync("INSERT INTO bad VALUES (100000, 'b'), (2, 'c')");
        await replica.SyncWithStopsAsync();
        await replica.SourceAsync("UPDATE bad SET w = 'd' WHERE v = 1; DELETE FROM bad WHERE v = 2; INSERT INTO bad VALUES (3, NULL)");
        await replica.SyncWithStopsAsync();
        Assert.Equal("23514", Assert.Single(await Parked.RecoverAsync(replica, Bad)).Failure!.SqlState);
        await replica.TargetAsync("ALTER TABLE bad DROP CONSTRAINT small");
        Assert.Empty(await Parked.RecoverAsync(replica, Bad));
        await replica.AssertEqualAsync();
        Assert.Empty(replica.Session.Parked);
    }

    [Theory]
    [InlineData(FailpointNames.RecoverApplied)]
    [InlineData(FailpointNames.RecoverCommitted)]
    public async Task Should_recover_once_wherever_it_is_cut(string failpoint)
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("INSERT INTO bad VALUES (5000, 'p', 100000); UPDATE bad SET v = 100000 WHERE id = 1");
        await replica.SyncWithStopsAsync();
        await replica.TargetAsync("ALTER TABLE bad DROP CONSTRAINT small");
        using (Failpoint.Arm(failpoint, () => throw new FailpointException(failpoint), times: 1))
            await Assert.ThrowsAsync<FailpointException>(() => Parked.RecoverAsync(replica, Bad));
        await replica.ReopenAsync(2);
        Assert.Empty(await Parked.RecoverAsync(replica, Bad));
        // Once more by somebody who does not know: what is not parked any more is told, and not applied.
        await replica.SourceAsync("UPDATE bad SET v = 7 WHERE id IN (1, 5000)");
        await replica.SyncWithStopsAsync();
        var again = await replica.Session.RecoverAsync(Bad, [.. Parked.All.OrderBy(l => l.At)], false, default);
        Assert.Equal((true, 2), (again.IsRecovered, again.Gone.Count));
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_leave_a_transaction_of_the_stream_alone_that_is_not_at_its_end()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("UPDATE bad SET v = 100000 WHERE id = 1");
        await replica.SyncWithStopsAsync();
        await replica.SourceAsync("BEGIN; INSERT INTO good SELECT i, i FROM generate_series(1, 20) i; COMMIT");
        using var batches = await replica.ReadAsync(changesPerBatch: 10);
        Assert.True(batches.List[0].IsOpenAtEnd);
        Assert.Null((await replica.Session.ApplyAsync(new ApplyGroup([batches.List[0]]), default)).Position);
        await Assert.ThrowsAsync<InvalidOperationException>(() => Parked.RecoverAsync(replica, Bad));
        await Assert.ThrowsAsync<InvalidOperationException>(() => replica.Session.DiscardAsync(Bad, [Parked.All[0].At], default));
        Assert.NotNull((await replica.Session.ApplyAsync(new ApplyGroup([.. batches.List.Skip(1)]), default)).Position);
        await replica.AssertEqualAsync("good");
        Assert.Equal(Parked.All[0].At, Assert.Single(await replica.Session.DiscardAsync(Bad, [Parked.All[0].At], default)));
    }

    [Fact]
    public async Task Should_discard_what_is_named_and_let_later_changes_pass()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("UPDATE bad SET v = 100000 WHERE id = 1");
        await replica.SyncWithStopsAsync();
        Assert.Equal(Parked.All[0].At, Assert.Single(await replica.Session.DiscardAsync(Bad, [Parked.All[0].At], default)));
        Assert.Empty(await replica.Session.DiscardAsync(Bad, [Parked.All[0].At], default));
        await replica.SourceAsync("UPDATE bad SET v = 5 WHERE id = 1");
        Assert.Equal(0, (await replica.SyncWithStopsAsync()).Parked);
        await replica.AssertEqualAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task Should_be_equal_after_recovery_of_a_random_workload(int seed)
    {
        var random = new Random(seed);
        await using var replica = await StartAsync("CREATE TABLE bad (id int PRIMARY KEY, v int, big text); ALTER TABLE bad ALTER big SET STORAGE EXTERNAL; INSERT INTO bad SELECT i, i, repeat('x', 3000) FROM generate_series(1, 60) i", "SELECT 1");
        var epoch = 1;
        for (var round = 0; round < 25; round++)
        {
            if (round % 5 == 0)
                await replica.TargetAsync("ALTER TABLE bad ADD CONSTRAINT small CHECK (v % 10 <> 3) NOT VALID");
            var statements = Enumerable.Range(0, random.Next(1, 40)).Select(_ => Statement());
            await replica.SourceAsync(string.Join("; ", statements));
            var result = await replica.SyncWithStopsAsync(random.Next(3) == 0 ? 5 : int.MaxValue);
            Assert.True(result.Stops.Count == 0, string.Join(Environment.NewLine, result.Stops));
            if (random.Next(4) == 0)
                await replica.ReopenAsync(++epoch);
            if (random.Next(5) == 0)
                await Parked.RecoverAsync(replica, Bad);
            // What has no parked key is as it is at the source.
            if (round % 5 != 4)
                continue;
            await replica.TargetAsync("ALTER TABLE bad DROP CONSTRAINT small");
            Assert.Empty(await Parked.RecoverAsync(replica, Bad));
            await replica.AssertEqualAsync();
        }

        Assert.NotEmpty(Parked.All);

        string Statement() => random.Next(10) switch
        {
            0 => $"INSERT INTO bad VALUES ({random.Next(100)}, {random.Next(1000)}, 'n') ON CONFLICT (id) DO NOTHING",
            1 => $"DELETE FROM bad WHERE id = {random.Next(100)}",
            2 => $"UPDATE bad SET id = {random.Next(100, 200)} WHERE id = {random.Next(100)} AND NOT EXISTS (SELECT FROM bad WHERE id >= 100)",
            3 => $"UPDATE bad SET id = id - 100 WHERE id >= 100 AND NOT EXISTS (SELECT FROM bad b WHERE b.id = bad.id - 100)",
            4 => $"UPDATE bad SET big = repeat('{(char)('a' + random.Next(26))}', 3000) WHERE id = {random.Next(100)}",
            _ => $"UPDATE bad SET v = {random.Next(1000)} WHERE id = {random.Next(100)}",
        };
    }
}
