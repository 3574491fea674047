using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>A source transaction that comes in pieces is one destination transaction.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class LargeTransactionTests(DestinationServer server)
{
    const string Table = "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE u (id int PRIMARY KEY, n int); INSERT INTO t SELECT i, 'a' FROM generate_series(1, 1000) i";
    const string Change = "BEGIN; UPDATE t SET v = 'b' WHERE id <= 600; INSERT INTO u SELECT i, i FROM generate_series(1, 900) i; UPDATE u SET n = -n; UPDATE t SET v = v || 'c'; DELETE FROM u WHERE id > 700; COMMIT";

    [Fact]
    public async Task Should_show_all_of_it_or_nothing()
    {
        await using var replica = await server.ReplicaAsync(Table);
        var session = await replica.StartAsync();
        var before = session.Position;
        await replica.SourceAsync(Change);
        await replica.SourceAsync("INSERT INTO u VALUES (5000, 0)");
        using var batches = await replica.ReadAsync(changesPerBatch: 250);
        Assert.True(batches.List.Count > 8);
        for (var i = 0; i < batches.List.Count; i++)
        {
            var group = new ApplyGroup([batches.List[i]]);
            var result = await session.ApplyAsync(group, default);
            if (group.IsOpenAtEnd)
            {
                Assert.Null(result.Position);
                Assert.Equal(before, session.Position);
                Assert.Equal(0, await replica.TargetScalarAsync<long>("SELECT count(*) FROM t WHERE v <> 'a'"));
            }
            else
            {
                Assert.Equal(batches.List[i].DeliveredUpTo, result.Position);
            }
        }

        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_leave_nothing_when_rolled_back_and_be_read_again()
    {
        await using var replica = await server.ReplicaAsync(Table);
        var session = await replica.StartAsync();
        await replica.SourceAsync(Change);
        using (var batches = await replica.ReadAsync(changesPerBatch: 400, consume: false))
        {
            await session.ApplyAsync(new ApplyGroup([batches.List[0], batches.List[1]]), default);
            await session.RollbackAsync(default);
            await Assert.ThrowsAsync<InvalidOperationException>(async () => await session.ApplyAsync(new ApplyGroup([batches.List[2]]), default));
            await session.RollbackAsync(default);
        }

        await replica.SyncAsync(changesPerBatch: 300);
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_stop_only_the_table_whose_change_fails_in_a_later_piece()
    {
        await using var replica = await server.ReplicaAsync(Table);
        var session = await replica.StartAsync();
        await replica.TargetAsync("ALTER TABLE u ADD CHECK (n <> -555)");
        await replica.SourceAsync(Change);
        var replays = 0;
        while (true)
        {
            using var batches = await replica.ReadAsync(changesPerBatch: 300, consume: false);
            try
            {
                foreach (var batch in batches.List)
                    replica.Results.Add(await session.ApplyAsync(new ApplyGroup([batch]), default));
                break;
            }
            catch (ReplayRequiredException e)
            {
                Assert.Equal(new TableName("public", "u"), e.Table);
                replays++;
                await session.RollbackAsync(default);
            }
        }

        var stop = Assert.Single(replica.Results[^1].Stops);
        Assert.Equal(("public.u", "23514", "id=555"), (stop.Key.ToString(), stop.Value.SqlState, stop.Value.Key));
        Assert.InRange(replays, 1, 2);
        await replica.AssertEqualAsync("t");
        Assert.Equal(0, await replica.TargetScalarAsync<long>("SELECT count(*) FROM u"));
    }
}
