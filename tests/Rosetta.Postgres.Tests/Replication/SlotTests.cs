using Npgsql;
using Rosetta.Core.Positions;
using Rosetta.Postgres.Replication;
using Rosetta.Postgres.Wire;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Postgres.Tests.Replication;

[Collection(ReplicationCollection.Name)]
public sealed class SlotTests(ReplicationServer replication)
{
    Task<SourceFixture> SourceAsync() => SourceFixture.CreateAsync(replication.Server, "CREATE TABLE t (id bigint PRIMARY KEY)", "FOR TABLE t");

    [Fact]
    public async Task Should_identify_the_system_and_wait_for_no_standby()
    {
        await using SourceFixture source = await SourceAsync();
        await using ReplicationConnection connection = await source.OpenAsync();
        SystemIdentity identity = await connection.IdentifySystemAsync();
        Assert.Equal(await source.ScalarAsync<string>("SELECT system_identifier::text FROM pg_control_system()"), identity.SystemId);
        Assert.Equal(1, identity.Timeline);
        Assert.True(identity.FlushLsn > Lsn.Zero);
        Assert.Equal("local", (await connection.QueryAsync("SHOW synchronous_commit")).Text(0, 0));
    }

    [Fact]
    public async Task Should_export_the_snapshot_at_which_the_slot_begins()
    {
        await using SourceFixture source = await SourceAsync();
        await source.ExecuteAsync("INSERT INTO t VALUES (1), (2)");
        await using ReplicationConnection connection = await source.OpenAsync();
        CreatedSlot slot = await connection.CreateSlotAsync(new SlotRequest($"{source.Slot}_x") { IsTemporary = true, ExportsSnapshot = true });
        await source.ExecuteAsync("INSERT INTO t VALUES (3)");

        await using PgConnection reader = await PgConnection.OpenAsync(source.Endpoint);
        await reader.QueryAsync($"BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '{slot.SnapshotName}'");
        Assert.Equal(2, (await reader.QueryAsync("SELECT count(*) FROM t")).Int64(0, 0));

        var consumer = new RecordingConsumer();
        await using RunningStream stream = await RunningStream.StartAsync(
            connection, consumer, source.Options with { Slot = slot.Name, Start = slot.ConsistentPoint });
        await consumer.UntilCommitsAsync(1);
        Assert.Equal(["Insert t new(3)"], consumer.Lines);
        Assert.True(consumer.Spans[0].CommitLsn >= slot.ConsistentPoint);
    }

    [Fact]
    public async Task Should_copy_a_slot_in_use_and_stream_from_the_copy()
    {
        await using SourceFixture source = await SourceAsync();
        await source.ExecuteAsync("INSERT INTO t VALUES (1)");
        var main = new RecordingConsumer();
        await using RunningStream original = await RunningStream.StartAsync(source, main);
        await main.UntilCommitsAsync(1);

        ReplicationConnection connection = await source.OpenAsync();
        Lsn from = await connection.CopySlotAsync(source.Slot, $"{source.Slot}_copy");
        var catchUp = new RecordingConsumer();
        await using (RunningStream copy = await RunningStream.StartAsync(
            connection, catchUp, source.Options with { Slot = $"{source.Slot}_copy", Start = from }))
        {
            await source.ExecuteAsync("INSERT INTO t VALUES (2)");
            await catchUp.UntilCommitsAsync(2);
        }

        await main.UntilCommitsAsync(2);
        Assert.Equal(main.Lines, catchUp.Lines);
        await Wait.UntilAsync(
            async () => await source.ScalarAsync<long>($"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{source.Slot}_copy'") == 0,
            "the copy to go with its connection");
    }

    [Fact]
    public async Task Should_show_what_blocks_the_creation_of_a_slot_and_let_it_be_cancelled()
    {
        await using SourceFixture source = await SourceAsync();
        await using PgConnection writer = await PgConnection.OpenAsync(source.Endpoint with { ApplicationName = "slow writer" });
        await writer.QueryAsync("BEGIN; INSERT INTO t VALUES (1)");
        await using ReplicationConnection connection = await source.OpenAsync();
        using var stop = new CancellationTokenSource();
        Task<CreatedSlot> creation = connection.CreateSlotAsync(new SlotRequest($"{source.Slot}_x"), stop.Token).AsTask();

        await using var observer = new NpgsqlConnection(source.Endpoint.ToNpgsql());
        await observer.OpenAsync();
        SlotCreationBlocker blocker = await Wait.ForAsync(
            async () => (await SlotCreationBlockers.FindAsync(observer, connection.ProcessId)).FirstOrDefault(b => b.ProcessId == writer.ProcessId),
            "the blocking transaction to be seen");
        Assert.Equal(("slow writer", "idle in transaction", "postgres"), (blocker.ApplicationName, blocker.State, blocker.User));
        Assert.Contains("INSERT INTO t", blocker.Query);

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => creation);
        await Wait.UntilAsync(
            async () => await source.ScalarAsync<long>($"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{source.Slot}_x'") == 0,
            "nothing to be left of the slot");
    }

    [Fact]
    public async Task Should_report_a_slot_that_is_missing_taken_or_in_use()
    {
        await using SourceFixture source = await SourceAsync();
        await using ReplicationConnection connection = await source.OpenAsync();
        Assert.Equal("42710", (await Assert.ThrowsAsync<PgServerException>(async () => await connection.CreateSlotAsync(new SlotRequest(source.Slot)))).SqlState);
        Assert.Equal("42704", (await Assert.ThrowsAsync<PgServerException>(async () => await connection.DropSlotAsync("missing"))).SqlState);
        Assert.Equal("42704", (await Assert.ThrowsAsync<PgServerException>(
            async () => await connection.StartAsync(source.Options with { Slot = "missing" }))).SqlState);

        await using RunningStream user = await RunningStream.StartAsync(source, new RecordingConsumer());
        Assert.Equal("55006", (await Assert.ThrowsAsync<PgServerException>(async () => await connection.StartAsync(source.Options))).SqlState);
        Assert.Equal("55006", (await Assert.ThrowsAsync<PgServerException>(async () => await connection.DropSlotAsync(source.Slot))).SqlState);
        await user.StopAsync();
        await connection.DropSlotAsync(source.Slot, wait: true);
    }

    [Theory]
    [InlineData(14, "CREATE_REPLICATION_SLOT \"s\" TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT")]
    [InlineData(15, "CREATE_REPLICATION_SLOT \"s\" TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')")]
    [InlineData(17, "CREATE_REPLICATION_SLOT \"s\" TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export', FAILOVER true)")]
    public void Should_speak_each_versions_command(int version, string command) =>
        Assert.Equal(command, new SlotRequest("s") { IsTemporary = true, ExportsSnapshot = true, Failover = true }.ToCommand(version));

    [Theory]
    [InlineData(60, 10)]
    [InlineData(2, 0.5)]
    [InlineData(0, 10)]
    [InlineData(3600, 10)]
    public void Should_report_well_inside_the_walsenders_timeout(double timeout, double interval) =>
        Assert.Equal(TimeSpan.FromSeconds(interval), ReplicationConnection.StatusIntervalFor(TimeSpan.FromSeconds(timeout)));
}
