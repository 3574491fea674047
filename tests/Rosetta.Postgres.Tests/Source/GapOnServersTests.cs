using Rosetta.Core.Positions;
using Rosetta.Postgres.Source;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Postgres.Tests.Source;

/// <summary><see cref="GapDecision"/> on what real servers say after the things that lose changes.</summary>
public sealed class GapOnServersTests
{
    const string Slot = "rosetta_p1";
    const string WriteWal = "INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 2000); SELECT pg_switch_wal(); CHECKPOINT";
    static readonly CancellationToken None = CancellationToken.None;

    static async Task<PostgresServer> StartAsync(params (string Name, string Value)[] settings)
    {
        var server = await PostgresServer.StartAsync(new PostgresServerOptions
        {
            Name = "gaps",
            Version = SourceServer.Version,
            Settings = settings.ToDictionary(s => s.Name, s => s.Value),
        });
        await server.ExecuteAsync("CREATE TABLE filler (v text)");
        return server;
    }

    static async Task<RecordedSlot> CreateSlotAsync(PostgresServer server)
    {
        await server.ExecuteAsync($"SELECT pg_create_logical_replication_slot('{Slot}', 'pgoutput')");
        await using var database = new SourceDatabase(SourceServer.EndpointOf(server));
        var slots = new Slots(database);
        var identity = await slots.IdentifyAsync(null, None);
        var confirmed = (await slots.FindAsync(Slot, None))!.ConfirmedFlush!.Value;
        return new RecordedSlot(
            Slot, "postgres", identity.SystemIdentifier, identity.Timeline, confirmed, confirmed, new Dictionary<long, Lsn> { [1] = confirmed });
    }

    static async Task<SlotDecision> DecideAsync(PostgresServer server, RecordedSlot record, Lsn position)
    {
        await using var database = new SourceDatabase(SourceServer.EndpointOf(server));
        var slots = new Slots(database);
        return GapDecision.Decide(
            record, await slots.FindAsync(Slot, None), await slots.IdentifyAsync(record.Timeline, None), new Dictionary<long, Lsn> { [1] = position });
    }

    [Fact]
    public async Task Should_notice_a_slot_that_others_moved_dropped_or_made_again()
    {
        await using var server = await StartAsync();
        var record = await CreateSlotAsync(server);
        var position = record.ConsistentPoint;
        Assert.Equal(SlotAction.Recreate, (await DecideAsync(server, record with { ConsistentPoint = Lsn.Zero }, position)).Action);
        Assert.Empty((await DecideAsync(server, record, position)).Gaps);
        await server.ExecuteAsync(WriteWal.Split("; CHECKPOINT")[0]);
        Assert.Empty((await DecideAsync(server, record, position)).Gaps);

        await server.ExecuteAsync($"SELECT pg_replication_slot_advance('{Slot}', pg_current_wal_lsn())");
        var moved = await DecideAsync(server, record, position);
        Assert.Equal(SlotAction.Resume, moved.Action);
        Assert.Contains("was moved to", moved.Gaps[1], StringComparison.Ordinal);

        await server.ExecuteAsync($"SELECT pg_drop_replication_slot('{Slot}')");
        Assert.Equal(SlotAction.Gap, (await DecideAsync(server, record, position)).Action);
        await server.ExecuteAsync($"SELECT pg_create_logical_replication_slot('{Slot}', 'pgoutput')");
        Assert.Equal([1L], (await DecideAsync(server, record, position)).Gaps.Keys);
        await server.ExecuteAsync($"SELECT pg_drop_replication_slot('{Slot}'); SELECT pg_create_physical_replication_slot('{Slot}', true)");
        Assert.Equal(SlotAction.Gap, (await DecideAsync(server, record, position)).Action);
    }

    [Fact]
    public async Task Should_go_on_after_a_crash_of_the_source()
    {
        await using var server = await StartAsync();
        var record = await CreateSlotAsync(server);
        await server.ExecuteAsync("INSERT INTO filler VALUES ('x')");
        var position = Lsn.Parse((await server.ScalarAsync<string>("SELECT pg_current_wal_flush_lsn()::text"))!);
        await server.ExecuteAsync($"SELECT pg_replication_slot_advance('{Slot}', '{position}')");
        await server.CrashAsync();
        await server.StartAsync();
        var acknowledged = record with { Acknowledged = position, RestedOn = new Dictionary<long, Lsn> { [1] = position } };
        Assert.Empty((await DecideAsync(server, acknowledged, position)).Gaps);
    }

    [Fact]
    public async Task Should_notice_a_slot_that_the_source_invalidated()
    {
        await using var server = await StartAsync(("max_slot_wal_keep_size", "1MB"), ("max_wal_size", "32MB"), ("min_wal_size", "32MB"));
        var record = await CreateSlotAsync(server);
        await Wait.UntilAsync(
            async () =>
            {
                foreach (var statement in WriteWal.Split(';'))
                    await server.ExecuteAsync(statement);
                return (await DecideAsync(server, record, record.ConsistentPoint)).Action == SlotAction.Gap;
            },
            "the slot to be invalidated");
        var decision = await DecideAsync(server, record, record.ConsistentPoint);
        Assert.Contains("invalidated", decision.Reason, StringComparison.Ordinal);
        Assert.Contains("max_slot_wal_keep_size", decision.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_compare_with_the_branch_after_a_promotion_and_notice_another_cluster()
    {
        await using var server = await StartAsync();
        var record = await CreateSlotAsync(server);
        await server.StopAsync();
        await File.WriteAllTextAsync(Path.Combine(server.DataDirectory, "standby.signal"), "");
        await server.StartAsync();
        await server.ExecuteAsync("SELECT pg_promote()");
        await server.ExecuteAsync("INSERT INTO filler VALUES ('x')");

        await using var database = new SourceDatabase(SourceServer.EndpointOf(server));
        var identity = await new Slots(database).IdentifyAsync(record.Timeline, None);
        Assert.Equal(2, identity.Timeline);
        var branch = Assert.Single(identity.History);
        Assert.Equal(1, branch.Timeline);
        Assert.Empty((await DecideAsync(server, record, branch.At)).Gaps);
        var beyond = await DecideAsync(server, record, new Lsn(branch.At.Value + 1));
        Assert.Contains("another timeline", beyond.Gaps[1], StringComparison.Ordinal);

        await using var other = await StartAsync();
        await CreateSlotAsync(other);
        Assert.Contains("another cluster", (await DecideAsync(other, record, record.ConsistentPoint)).Reason, StringComparison.Ordinal);
    }
}
