using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Source;
using Rosetta.Postgres.Wire;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>A change that cannot be applied stops its table, says why, and leaves the rest alone.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class FailureTests(DestinationServer server)
{
    const string Tables = "CREATE TABLE good (id int PRIMARY KEY, v int); CREATE TABLE bad (id int, part text, v int, PRIMARY KEY (id, part)); INSERT INTO bad SELECT i, 'p', i FROM generate_series(1, 100) i";
    static readonly TableName Bad = new("public", "bad");

    [Theory]
    [InlineData("ALTER TABLE bad ADD CHECK (v <> 1042)", "23514", "id=42, part=p")]
    [InlineData("CREATE UNIQUE INDEX ON bad ((v % 1000)) WHERE v > 1041", "23505", null)]
    [InlineData("DROP TABLE bad", null, null)]
    [InlineData("ALTER TABLE bad DROP COLUMN v; ALTER TABLE bad ADD v text", null, null)]
    [InlineData("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.v = 1042 THEN RAISE 'no such number'; END IF; RETURN NEW; END $$; CREATE TRIGGER no BEFORE INSERT OR UPDATE ON bad FOR EACH ROW EXECUTE FUNCTION no(); ALTER TABLE bad ENABLE ALWAYS TRIGGER no", "P0001", "id=42, part=p")]
    public async Task Should_stop_one_table_and_go_on_with_the_others(string harm, string? sqlState, string? key)
    {
        await using var replica = await server.ReplicaAsync(Tables);
        await replica.StartAsync();
        await replica.TargetAsync(harm);
        await replica.SourceAsync("INSERT INTO good VALUES (1, 1); UPDATE bad SET v = v + 1000; INSERT INTO good VALUES (2, 2); INSERT INTO bad VALUES (2042, 'p', 2042); INSERT INTO good VALUES (3, 3)");
        var result = await replica.SyncWithStopsAsync();

        var stop = Assert.Single(result.Stops);
        Assert.Equal(Bad, stop.Key);
        Assert.Equal(sqlState, stop.Value.SqlState);
        if (key is not null)
            Assert.Equal(key, stop.Value.Key);
        Assert.NotEmpty(stop.Value.Reason);
        Assert.Contains("resync", stop.Value.Remedy, StringComparison.Ordinal);
        Assert.NotNull(result.Position);
        await replica.AssertEqualAsync("good");

        // It is remembered at the destination, and what follows passes it by.
        await replica.SourceAsync("DELETE FROM bad WHERE id < 10; INSERT INTO good VALUES (4, 4)");
        await replica.SyncWithStopsAsync();
        await replica.AssertEqualAsync("good");
        await replica.ReopenAsync(epoch: 2);
        var stored = replica.Session.Tables[Bad];
        Assert.False(stored.Streams);
        Assert.Equal(stop.Value, stored.Stop);
    }

    [Theory]
    [InlineData("ALTER TABLE bad ADD CHECK (part <> 'top secret')", true)]
    [InlineData("CREATE UNIQUE INDEX ON bad ((part = 'top secret')) WHERE part = 'top secret'", true)]
    [InlineData("ALTER TABLE bad ADD CHECK (part = 'p' OR part::int > 0)", true)]
    [InlineData("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused: %', NEW; END $$; CREATE TRIGGER no BEFORE INSERT OR UPDATE ON bad FOR EACH ROW EXECUTE FUNCTION no(); ALTER TABLE bad ENABLE ALWAYS TRIGGER no", true)]
    [InlineData("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused: %', NEW USING ERRCODE = '53100', HINT = NEW.part; END $$; CREATE TRIGGER no BEFORE INSERT OR UPDATE ON bad FOR EACH ROW EXECUTE FUNCTION no(); ALTER TABLE bad ENABLE ALWAYS TRIGGER no", false)]
    public async Task Should_log_no_value_of_a_row(string harm, bool isOfTable)
    {
        await using var replica = await server.ReplicaAsync(Tables);
        await replica.StartAsync();
        await replica.TargetAsync(harm);
        await replica.SourceAsync("INSERT INTO bad VALUES (777, 'top secret', 1), (778, 'top secret', 2); UPDATE bad SET part = part || ' top secret' WHERE id < 3");
        if (isOfTable)
        {
            var stop = Assert.Single((await replica.SyncWithStopsAsync()).Stops).Value;
            Assert.Contains($"SQLSTATE {stop.SqlState}", stop.Describe(), StringComparison.Ordinal);
            Assert.Contains("id=", stop.Describe(), StringComparison.Ordinal);
        }
        else
        {
            var e = await Assert.ThrowsAsync<PgServerException>(() => replica.SyncWithStopsAsync());
            Assert.DoesNotContain("secret", e.ToString(), StringComparison.Ordinal);
            Assert.Contains("secret", ErrorPolicy.ToFault(e).Reason, StringComparison.Ordinal);
            Assert.DoesNotContain("secret", ErrorPolicy.ToFault(e).ForLog, StringComparison.Ordinal);
        }

        Assert.DoesNotContain(replica.Events.Texts, static t => t.Contains("secret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Should_quote_no_value_of_a_row_when_a_copy_fails()
    {
        await using var replica = await server.ReplicaAsync("CREATE TABLE bad (id int PRIMARY KEY, part text); INSERT INTO bad VALUES (1, 'top secret')");
        await replica.TargetAsync("CREATE TABLE bad (id int PRIMARY KEY, part text CHECK (part <> 'top secret'))");
        var e = await Assert.ThrowsAsync<FaultException>(() => replica.StartAsync());
        Assert.DoesNotContain("secret", e.ToString(), StringComparison.Ordinal);
        Assert.Contains("23514", e.Message, StringComparison.Ordinal);
        Assert.Contains("bad_part_check", e.Fault.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(100)]
    public async Task Should_read_rows_again_that_an_update_without_all_values_does_not_find(int missing)
    {
        await using var replica = await server.ReplicaAsync(
            "CREATE TABLE bad (id int PRIMARY KEY, big text, v int); ALTER TABLE bad ALTER big SET STORAGE EXTERNAL; INSERT INTO bad SELECT i, repeat(i::text, 3000), 0 FROM generate_series(1001, 1200) i");
        await replica.StartAsync();
        await replica.TargetAsync($"DELETE FROM bad WHERE id <= 1000 + {missing}");
        await replica.SourceAsync("UPDATE bad SET v = v + 1 WHERE id BETWEEN 1001 AND 1150");
        await replica.SyncAsync();
        Assert.Equal(missing, replica.Results[^1].Rows[Bad].Divergences);
        Assert.Equal([Bad], replica.Session.Pending);

        // What is left to do is stored: another incarnation knows.
        await replica.ReopenAsync(replica.Opening.Epoch + 1);
        Assert.Equal([Bad], replica.Session.Pending);
        await using var reader = await ChunkSource.OpenAsync(replica.SourceEndpoint, new PublicationFacts(false, []), default);
        var table = (await reader.DescribeAsync(Bad, null, default))!;
        var copy = new ChunkedCopy(replica.Routes[Bad], table, true, false, replica.Session.Position) { Purpose = ChunkPurpose.Keys };
        await using var chunks = (await replica.Session.OpenChunksAsync(copy, default))!;
        Assert.True(chunks.RangesAreFinished);
        Assert.False(await chunks.FinishAsync(default));
        // One of them changes again before it is read, one after.
        await replica.SourceAsync("UPDATE bad SET v = v + 10 WHERE id = 1001");
        for (var round = 0; await chunks.PendingAsync(60, default) is { Count: > 0 } keys; round++)
        {
            var chunk = await reader.ReadKeysAsync(table, keys, chunks.Watch(0), (rows, token) => chunks.StageAsync(0, rows, token), default);
            if (round == 0)
                await replica.SourceAsync("UPDATE bad SET v = v + 100 WHERE id = 1001");
            await replica.FollowAsync();
            Assert.True((await chunks.LandAsync(chunk, default)).HasLanded);
        }

        Assert.True(await chunks.FinishAsync(default));
        Assert.Empty(replica.Session.Pending);
        await replica.AssertEqualAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(100)]
    public async Task Should_stop_a_table_that_cannot_be_read_again_when_an_update_without_all_values_finds_no_row(int missing)
    {
        await using var replica = await server.ReplicaAsync(
            "CREATE TABLE bad (id int PRIMARY KEY, big text, v int); ALTER TABLE bad ALTER big SET STORAGE EXTERNAL; INSERT INTO bad SELECT i, repeat(i::text, 3000), 0 FROM generate_series(1001, 1200) i; CREATE TABLE good (id int PRIMARY KEY)");
        await replica.StartAsync();
        await replica.TargetAsync($"DELETE FROM bad WHERE id <= 1000 + {missing}; ALTER TABLE bad DROP CONSTRAINT bad_pkey, ADD PRIMARY KEY (id) DEFERRABLE");
        await replica.SourceAsync($"UPDATE bad SET v = v + 1 WHERE id BETWEEN {(missing == 1 ? "1001 AND 1010" : "1001 AND 1150")}; INSERT INTO good VALUES (1)");
        var stop = Assert.Single((await replica.SyncWithStopsAsync()).Stops).Value;
        Assert.Equal(("id=1001", null), (stop.Key, stop.SqlState));
        Assert.Contains("TOAST", stop.Reason, StringComparison.Ordinal);
        await replica.AssertEqualAsync("good");
        await replica.MendAsync(Bad, stop.Remedy);
        await replica.SourceAsync("UPDATE bad SET v = v + 1");
        await replica.SyncAsync();
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_repair_and_count_what_had_diverged()
    {
        await using var replica = await server.ReplicaAsync("CREATE TABLE bad (id int PRIMARY KEY, v int); INSERT INTO bad SELECT i, 0 FROM generate_series(1, 200) i");
        await replica.StartAsync();
        await replica.TargetAsync("DELETE FROM bad WHERE id <= 20; INSERT INTO bad VALUES (-1, 7)");
        await replica.SourceAsync("UPDATE bad SET v = 1 WHERE id <= 10; DELETE FROM bad WHERE id BETWEEN 11 AND 20; UPDATE bad SET v = 2 WHERE id > 100");
        Assert.Equal(20, (await replica.SyncAsync()).Rows[Bad].Divergences);
        // Nothing is said of a row that only the destination has.
        Assert.Equal(1, await replica.TargetScalarAsync<long>("SELECT count(*) FROM bad WHERE id = -1"));
        await replica.TargetAsync("DELETE FROM bad WHERE id = -1");
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_stream_again_after_a_resync()
    {
        await using var replica = await server.ReplicaAsync(Tables);
        await replica.StartAsync();
        await replica.TargetAsync("ALTER TABLE bad ADD CONSTRAINT small CHECK (v < 500)");
        await replica.SourceAsync("UPDATE bad SET v = v * 100");
        Assert.Single((await replica.SyncWithStopsAsync()).Stops);
        await replica.TargetAsync("ALTER TABLE bad DROP CONSTRAINT small");

        var now = await server.Server.ScalarAsync<string>("SELECT pg_current_wal_insert_lsn()::text", replica.Source);
        var table = await replica.Catalog.DescribeAsync(Bad, default);
        var outcome = await replica.CopyAsync(new TableCopy(replica.Routes[Bad], table!, Core.Positions.Lsn.Parse(now!), true, CopyFormat.Binary, null));
        Assert.Equal(100, outcome.Rows);
        Assert.True(replica.Session.Tables[Bad].Streams);
        await replica.SourceAsync("UPDATE bad SET v = v + 1; INSERT INTO bad VALUES (0, 'x', 1)");
        await replica.SyncWithStopsAsync();
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_heal_what_it_can_when_a_row_is_missing_and_count_it()
    {
        await using var replica = await server.ReplicaAsync(Tables);
        await replica.StartAsync();
        await replica.TargetAsync("DELETE FROM bad WHERE id IN (1, 2)");
        await replica.SourceAsync("UPDATE bad SET v = 7 WHERE id = 1; DELETE FROM bad WHERE id = 2");
        Assert.Equal(2, (await replica.SyncAsync()).Rows[Bad].Divergences);
        await replica.AssertEqualAsync();

        await replica.TargetAsync("DELETE FROM bad WHERE id < 50");
        await replica.SourceAsync("UPDATE bad SET v = 8");
        Assert.Equal(48, (await replica.SyncAsync()).Rows[Bad].Divergences);
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_stop_a_table_whose_deferred_constraint_fails_at_commit()
    {
        await using var replica = await server.ReplicaAsync(Tables);
        await replica.StartAsync();
        await replica.TargetAsync("ALTER TABLE bad ADD CONSTRAINT one UNIQUE (v) DEFERRABLE INITIALLY DEFERRED");
        await replica.SourceAsync("BEGIN; UPDATE bad SET v = 1 - v; COMMIT");
        await replica.SyncWithStopsAsync();
        await replica.AssertEqualAsync();
        await replica.SourceAsync("INSERT INTO good VALUES (1, 1); UPDATE bad SET v = 5 WHERE id IN (1, 2)");
        var stop = Assert.Single((await replica.SyncWithStopsAsync()).Stops);
        Assert.Equal((Bad, "23505"), (stop.Key, stop.Value.SqlState));
        await replica.AssertEqualAsync("good");
    }

    [Fact]
    public async Task Should_apply_in_source_order_when_the_fast_path_meets_a_constraint_that_order_satisfies()
    {
        await using var replica = await server.ReplicaAsync(Tables);
        await replica.StartAsync();
        await replica.SourceAsync("INSERT INTO bad VALUES (101, 'p', 101)");
        await replica.SyncAsync();
        // Unknown to the plan that is in use.
        await replica.TargetAsync("CREATE UNIQUE INDEX ON bad (v)");
        await replica.SourceAsync("BEGIN; UPDATE bad SET v = -1 WHERE id = 1; UPDATE bad SET v = 1 WHERE id = 2; UPDATE bad SET v = 2 WHERE id = 1; COMMIT");
        Assert.Empty((await replica.SyncWithStopsAsync()).Stops);
        await replica.AssertEqualAsync();
    }
}
