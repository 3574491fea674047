using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>Rows are found by index, also right after a load, without statistics, in a table much larger than the batch.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class PlanTests(DestinationServer server)
{
    [Fact]
    public async Task Should_update_and_delete_by_index()
    {
        await using var replica = await server.ReplicaAsync("CREATE TABLE t (id bigint, part text, v int, PRIMARY KEY (id, part)); INSERT INTO t SELECT i, 'p' || i % 3, 0 FROM generate_series(1, 30000) i");
        await replica.StartAsync();
        const string scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 't'";
        await replica.Session.DisposeAsync();
        await replica.ReopenAsync(epoch: 2);
        await replica.TargetAsync("SELECT pg_stat_reset()");

        await replica.SourceAsync("UPDATE t SET v = 1 WHERE id % 10 = 0; DELETE FROM t WHERE id % 100 = 1");
        await replica.SyncAsync();
        await replica.SourceAsync("UPDATE t SET v = 2 WHERE id = 10; DELETE FROM t WHERE id = 20");
        await replica.SyncAsync();
        // Statistics are sent when the session ends at the latest.
        await replica.Session.DisposeAsync();
        Assert.Equal(0, await replica.TargetScalarAsync<long>(scans));
        Assert.True(await replica.TargetScalarAsync<long>("SELECT idx_scan FROM pg_stat_user_tables WHERE relname = 't'") >= 3300);
        await replica.AssertEqualAsync();
    }
}
