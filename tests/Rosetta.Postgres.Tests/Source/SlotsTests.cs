using Npgsql;
using Rosetta.Core.Errors;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;
using Rosetta.Postgres.Replication;
using Rosetta.Postgres.Source;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Postgres.Tests.Source;

[Collection(SourceServerCollection.Name)]
public sealed class SlotsTests(SourceServer source)
{
    static readonly CancellationToken None = CancellationToken.None;

    static string Unique(string name) => $"{name}_{Guid.NewGuid():N}";

    [Fact]
    public async Task Should_tell_facts_of_slots_and_of_the_cluster()
    {
        var name = await source.CreateDatabaseAsync("CREATE TABLE t (id int); DO $$ BEGIN CREATE ROLE repl LOGIN REPLICATION; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
        await using var database = source.Database(name, "repl");
        var slots = new Slots(database);
        var slot = Unique("facts");
        Assert.Null(await slots.FindAsync(slot, None));
        await source.Server.ExecuteAsync($"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')", name);
        await source.Server.ExecuteAsync("INSERT INTO t SELECT generate_series(1, 1000); SELECT pg_switch_wal()", name);
        var facts = await slots.FindAsync(slot, None);
        Assert.NotNull(facts);
        Assert.Equal(("pgoutput", name, false, false, false), (facts.Plugin, facts.Database, facts.IsTemporary, facts.IsTwoPhase, facts.IsInvalidated));
        Assert.True(facts.ConfirmedFlush >= facts.RestartLsn);
        Assert.True(facts.RetainedBytes > 10_000);
        Assert.Contains(await slots.ListAsync(None), s => s.Name == slot);

        var identity = await slots.IdentifyAsync(1, None);
        Assert.Equal(await source.Server.ScalarAsync<string>("SELECT system_identifier::text FROM pg_control_system()"), identity.SystemIdentifier);
        Assert.Equal(1, identity.Timeline);
        Assert.Equal(source.Server.Version, identity.VersionNumber / 10000);
        Assert.True(identity.CurrentLsn > facts.ConfirmedFlush);

        Assert.True(await slots.DropAsync(slot, "rosetta/", None));
        Assert.False(await slots.DropAsync(slot, "rosetta/", None));
    }

    [Fact]
    public async Task Should_drop_a_slot_that_our_own_stale_walsender_still_has()
    {
        var name = await source.CreateDatabaseAsync("CREATE PUBLICATION p");
        var session = new SessionName(Guid.NewGuid(), 4, 7, "stream");
        var slot = Unique("stale");
        await using var database = source.Database(name);
        await source.Server.ExecuteAsync($"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')", name);
        await using var walsender = await ReplicationConnection.OpenAsync(source.Endpoint(name, applicationName: session.ToString()));
        await using var stream = await walsender.StartAsync(new ChangeStreamOptions { Slot = slot, Publications = ["p"], Start = Lsn.Zero });
        var slots = new Slots(database);
        Assert.NotNull((await slots.FindAsync(slot, None))!.ActivePid);
        var refused = await Assert.ThrowsAsync<FaultException>(() => slots.DropAsync(slot, SessionName.PrefixOf(session.Installation, 5), None));
        Assert.Contains("in use", refused.Message, StringComparison.Ordinal);
        Assert.True(await slots.DropAsync(slot, SessionName.PrefixOf(session.Installation, 4), None));
    }

    [Fact]
    public async Task Should_end_all_sessions_of_older_incarnations_and_no_others()
    {
        var name = await source.CreateDatabaseAsync("CREATE TABLE t (id int)");
        await using var database = source.Database(name);
        var self = new SessionName(Guid.NewGuid(), 12, 10, "control");
        await using var older = await ReplicationConnection.OpenAsync(source.Endpoint(name, applicationName: (self with { Epoch = 9 }).For("copy").ToString()));
        var temporary = Unique("tmp");
        await older.CreateSlotAsync(new SlotRequest(temporary) { IsTemporary = true, ExportsSnapshot = true });
        var victims = new List<NpgsqlConnection>();
        var survivors = new List<NpgsqlConnection>();
        foreach (var (list, session) in new[]
        {
            (victims, self with { Epoch = 2 }), (victims, (self with { Epoch = 9 }).For("snapshot-1")),
            (survivors, self), (survivors, self with { Epoch = 11 }), (survivors, self with { Epoch = 1, PipelineId = 1 }),
            (survivors, self with { Epoch = 1, PipelineId = 123 }), (survivors, self with { Epoch = 1, Installation = Guid.NewGuid() }),
        })
        {
            var connection = new NpgsqlConnection(source.Endpoint(name, applicationName: session.ToString()).ToNpgsql() + ";Pooling=false");
            await connection.OpenAsync();
            list.Add(connection);
        }

        await using (var idle = new NpgsqlCommand("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE", victims[0]))
            await idle.ExecuteNonQueryAsync();
        Assert.Equal(3, await new Slots(database).TerminateOlderAsync(self, None));
        Assert.Null(await new Slots(database).FindAsync(temporary, None));
        foreach (var survivor in survivors)
        {
            await using var command = new NpgsqlCommand("SELECT 1", survivor);
            Assert.Equal(1, await command.ExecuteScalarAsync());
        }

        foreach (var connection in victims.Concat(survivors))
            await connection.DisposeAsync();
        Assert.Equal(0, await new Slots(database).TerminateOlderAsync(self, None));
    }

    [Fact]
    public async Task Should_say_what_the_making_of_a_slot_waits_for()
    {
        var name = await source.CreateDatabaseAsync("CREATE TABLE t (id int)");
        await using var database = source.Database(name);
        await using var blocker = await source.Server.OpenAsync(name);
        await using var begin = new NpgsqlCommand("BEGIN; INSERT INTO t VALUES (42)", blocker);
        await begin.ExecuteNonQueryAsync();
        await using var walsender = await ReplicationConnection.OpenAsync(source.Endpoint(name));
        var waits = new Waits();
        var creating = SlotCreationWatch.CreateAsync(
            walsender, new SlotRequest(Unique("waits")) { IsTemporary = true }, database, waits, TimeProvider.System, None);
        await Wait.UntilAsync(() => waits.Last is not null, "the watch to report");
        Assert.Equal([blocker.ProcessID], waits.Last!.Blockers.Select(b => b.ProcessId));
        Assert.Contains(FormattableString.Invariant($"process {blocker.ProcessID} (role postgres"), waits.Last.Describe(), StringComparison.Ordinal);
        Assert.False(creating.IsCompleted);
        await source.Server.ExecuteAsync(waits.Last.FixSql!, name);
        Assert.False((await creating).ConsistentPoint.IsZero);
    }

    sealed class Waits : IProgress<SlotCreationWait>
    {
        public volatile SlotCreationWait? Last;

        public void Report(SlotCreationWait value) => Last = value;
    }
}
