using System.Diagnostics;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Positions;
using Rosetta.Postgres.Destination;
using Rosetta.Postgres.Wire;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>Of two incarnations the older one commits nothing.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class FenceTests(DestinationServer server)
{
    const string Table = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')";

    [Fact]
    public async Task Should_commit_nothing_once_a_newer_epoch_is_there()
    {
        await using var replica = await server.ReplicaAsync(Table);
        var session = await replica.StartAsync();
        var before = session.Position;
        await replica.TargetAsync("UPDATE rosetta.position SET epoch = epoch + 1");

        await replica.SourceAsync("INSERT INTO t SELECT i, 'b' FROM generate_series(2, 500) i; UPDATE t SET v = 'c' WHERE id < 200");
        using var batches = await replica.ReadAsync();
        await Assert.ThrowsAsync<FencedException>(() => replica.ApplyAsync(batches));
        await Assert.ThrowsAsync<FencedException>(() => session.AdvanceAsync(new Lsn(ulong.MaxValue / 2), default));
        await Assert.ThrowsAsync<FencedException>(() => session.ForgetTableAsync(new("public", "t"), default));

        Assert.Equal(1, await replica.TargetScalarAsync<long>("SELECT count(*) FROM t"));
        Assert.Equal(before.ToString(), await replica.TargetScalarAsync<string>("SELECT position::text FROM rosetta.position"));
        Assert.Equal(1, await replica.TargetScalarAsync<long>("SELECT count(*) FROM rosetta.tables"));
    }

    [Fact]
    public async Task Should_not_commit_a_copy_once_a_newer_epoch_is_there()
    {
        await using var replica = await server.ReplicaAsync(Table);
        using var fence = Failpoint.Arm(FailpointNames.CopyBeforeCommit, () => replica.TargetAsync("UPDATE rosetta.position SET epoch = epoch + 1").GetAwaiter().GetResult(), 1);
        await Assert.ThrowsAsync<FencedException>(() => replica.StartAsync());
        Assert.Null(await replica.TargetScalarAsync<string>("SELECT to_regclass('t')::text"));
        Assert.Equal(0, await replica.TargetScalarAsync<long>("SELECT count(*) FROM rosetta.tables"));
    }

    [Fact]
    public async Task Should_refuse_to_open_with_an_older_epoch_and_allow_the_same()
    {
        await using var replica = await server.ReplicaAsync(Table);
        var first = await replica.StartAsync();
        await replica.SourceAsync("INSERT INTO t VALUES (2, 'b')");
        await replica.SyncAsync();
        var position = first.Position;
        await first.DisposeAsync();

        await replica.ReopenAsync(epoch: 1);
        Assert.Equal(position, replica.Session.Position);
        await replica.Session.DisposeAsync();
        await replica.ReopenAsync(epoch: 7);
        Assert.Equal(position, replica.Session.Position);
        var e = await Assert.ThrowsAsync<FencedException>(() => replica.Destination.OpenAsync(replica.Opening with { Epoch = 6 }, default));
        Assert.Equal(6, e.OurEpoch);
    }

    [Fact]
    public async Task Should_not_go_on_beside_a_session_of_its_own_that_does_not_end()
    {
        await using var replica = await server.ReplicaAsync(Table);
        await replica.StartAsync();
        var pid = await replica.TargetScalarAsync<int>("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'rosetta/%' AND datname = current_database()");
        var impatient = new PostgresDestination(replica.Destination.Endpoint) { Patience = TimeSpan.FromSeconds(1) };
        using (Process.Start("kill", ["-STOP", $"{pid}"]))
        {
        }

        try
        {
            // What it has been sent it may still commit, and our epoch would let it.
            var e = await Assert.ThrowsAsync<FaultException>(() => impatient.OpenAsync(replica.Opening, default));
            Assert.Equal(ErrorClass.Transient, e.Fault.Class);
            Assert.Contains($"{pid}", e.Fault.Reason, StringComparison.Ordinal);
            // A later incarnation shuts it out.
            await using var later = await impatient.OpenAsync(replica.Opening with { Epoch = 2 }, default);
        }
        finally
        {
            using var go = Process.Start("kill", ["-CONT", $"{pid}"]);
            await go.WaitForExitAsync();
        }

        await using var again = await replica.Destination.OpenAsync(replica.Opening with { Epoch = 2 }, default);
    }

    [Fact]
    public async Task Should_end_an_older_session_that_hangs_in_a_transaction()
    {
        await using var replica = await server.ReplicaAsync(Table);
        var older = await replica.StartAsync();
        await replica.SourceAsync("INSERT INTO t SELECT i, 'big' FROM generate_series(2, 1000) i; UPDATE t SET v = v || '!'");
        using (var batches = await replica.ReadAsync(changesPerBatch: 500, consume: false))
        {
            Assert.True(batches.List[0].IsOpenAtEnd);
            Assert.Null((await older.ApplyAsync(new ApplyGroup([batches.List[0]]), default)).Position);

            // It holds row locks and would for ever; the newer one neither waits nor sees anything of it.
            await replica.ReopenAsync(epoch: 2);
            Assert.Equal(1, await replica.TargetScalarAsync<long>("SELECT count(*) FROM t"));
            await Assert.ThrowsAnyAsync<PgException>(async () => await older.ApplyAsync(new ApplyGroup([batches.List[1]]), default));
            await older.DisposeAsync();
        }

        await replica.SyncAsync();
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_end_an_older_session_that_hangs_right_before_its_commit()
    {
        await using var replica = await server.ReplicaAsync(Table);
        var older = await replica.StartAsync();
        await replica.SourceAsync("INSERT INTO t VALUES (2, 'b')");
        using var batches = await replica.ReadAsync(consume: false);
        IDestinationSession? newer = null;
        using (Failpoint.Arm(FailpointNames.ApplyBeforeCommit, () => newer = replica.ReopenAsync(epoch: 2).GetAwaiter().GetResult(), 1))
            await Assert.ThrowsAnyAsync<PgException>(async () => await older.ApplyAsync(new ApplyGroup(batches.List), default));
        await older.DisposeAsync();

        Assert.Equal(1, await replica.TargetScalarAsync<long>("SELECT count(*) FROM t"));
        Assert.NotNull(newer);
        await replica.SyncAsync();
        await replica.AssertEqualAsync();
    }

    [Theory]
    [InlineData(FailpointNames.ApplyBegun)]
    [InlineData(FailpointNames.ApplyBeforePosition)]
    [InlineData(FailpointNames.ApplyBeforeCommit)]
    [InlineData(FailpointNames.ApplyAfterCommit)]
    public async Task Should_neither_lose_nor_double_when_cut_off(string failpoint)
    {
        await using var replica = await server.ReplicaAsync(Table);
        var older = await replica.StartAsync();
        await replica.SourceAsync("INSERT INTO t VALUES (2, 'b'); UPDATE t SET v = v || 'x'");
        using (Failpoint.Arm(failpoint, () => throw new FailpointException(failpoint), 1))
        {
            using var batches = await replica.ReadAsync(consume: false);
            await Assert.ThrowsAsync<FailpointException>(() => replica.ApplyAsync(batches));
        }

        await older.DisposeAsync();
        await replica.ReopenAsync(epoch: 2);
        await replica.SyncAsync();
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_make_its_schema_once_when_two_pipelines_open_a_new_destination_together()
    {
        await using var replica = await server.ReplicaAsync(Table);
        var openings = Enumerable.Range(0, 6).Select(i => replica.Opening with { PipelineId = 1000 + i, Generation = Guid.NewGuid() });
        var sessions = await Task.WhenAll(openings.Select(o => replica.Destination.OpenAsync(o, default)));
        Assert.Equal(6, await replica.TargetScalarAsync<long>("SELECT count(*) FROM rosetta.position"));
        foreach (var session in sessions)
            await session.DisposeAsync();
    }

    [Fact]
    public async Task Should_find_its_position_row_although_somebody_moved_it()
    {
        await using var replica = await server.ReplicaAsync(Table);
        await replica.StartAsync();
        await replica.SourceAsync("UPDATE t SET v = '1'");
        await replica.SyncAsync();
        await replica.TargetAsync("UPDATE rosetta.position SET updated_at = now()");
        await replica.TargetAsync("VACUUM FULL rosetta.position");
        await replica.SourceAsync("UPDATE t SET v = '2'");
        await replica.SyncAsync();
        await replica.AssertEqualAsync();
        await replica.Session.RemoveAsync(default);
        Assert.Equal(0, await replica.TargetScalarAsync<long>("SELECT (SELECT count(*) FROM rosetta.position) + (SELECT count(*) FROM rosetta.tables)"));
    }
}
