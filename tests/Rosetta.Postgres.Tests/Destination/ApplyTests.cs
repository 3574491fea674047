using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>Changes of a real stream arrive as they were, whatever they are.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class ApplyTests(DestinationServer server)
{
    const string Toast = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 500))";

    [Fact]
    public async Task Should_copy_then_apply_inserts_updates_and_deletes()
    {
        await using var replica = await server.ReplicaAsync("CREATE TABLE t (id int PRIMARY KEY, name text, n numeric(10,2)); INSERT INTO t SELECT i, 'row ' || i, i FROM generate_series(1, 1000) i");
        await replica.StartAsync();
        await replica.AssertEqualAsync();

        await replica.SourceAsync("INSERT INTO t SELECT i, 'new', NULL FROM generate_series(1001, 3000) i");
        await replica.SourceAsync("UPDATE t SET name = name || '!' WHERE id % 3 = 0");
        await replica.SourceAsync("DELETE FROM t WHERE id % 7 = 0");
        await replica.SourceAsync("UPDATE t SET n = 0 WHERE id = 1");
        var result = await replica.SyncAsync();

        await replica.AssertEqualAsync();
        var rows = result.Rows[new TableName("public", "t")];
        Assert.Equal((2000, 1001, 428, 0), (rows.Inserted, rows.Updated, rows.Deleted, rows.Divergences));
        Assert.Equal(result.Position, replica.Session.Position);
    }

    [Fact]
    public async Task Should_apply_few_changes_by_row_statements()
    {
        await using var replica = await server.ReplicaAsync("CREATE TABLE t (id int PRIMARY KEY, name text); INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 10) i");
        await replica.StartAsync();
        await replica.SourceAsync("UPDATE t SET name = 'x' WHERE id = 3; DELETE FROM t WHERE id = 4; INSERT INTO t VALUES (11, NULL)");
        await replica.SyncAsync();
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_move_keys_swap_them_and_reuse_them_in_one_transaction()
    {
        await using var replica = await server.ReplicaAsync("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 5) i");
        await replica.StartAsync();
        await replica.SourceAsync(
            """
            BEGIN;
            UPDATE t SET id = 100 WHERE id = 1; UPDATE t SET id = 1 WHERE id = 2; UPDATE t SET id = 2 WHERE id = 100;
            UPDATE t SET id = 30 WHERE id = 3; INSERT INTO t VALUES (3, 'again'); DELETE FROM t WHERE id = 4; INSERT INTO t VALUES (4, 'reborn');
            UPDATE t SET v = 'twice' WHERE id = 4; INSERT INTO t VALUES (9, 'gone'); DELETE FROM t WHERE id = 9;
            COMMIT
            """);
        await replica.SyncAsync();
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_keep_unchanged_toast_values_in_every_combination()
    {
        await using var replica = await server.ReplicaAsync(
            $"""
            CREATE TABLE t (id int PRIMARY KEY, a text, b text, n int);
            ALTER TABLE t ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL;
            INSERT INTO t SELECT i, {Toast}, {Toast}, 0 FROM generate_series(1, 200) i
            """);
        await replica.StartAsync();
        await replica.SourceAsync("UPDATE t SET n = 1");
        await replica.SyncAsync();
        await replica.AssertEqualAsync();
        // Two values by turns; insert and partial update together; a moved key with a value that is not in the stream; over batches.
        await replica.SourceAsync($"UPDATE t SET a = {Toast} || id WHERE id <= 100; UPDATE t SET b = {Toast} || id WHERE id <= 100; UPDATE t SET n = 7, a = NULL WHERE id = 5");
        await replica.SourceAsync($"INSERT INTO t SELECT i, {Toast}, {Toast}, 0 FROM generate_series(301, 310) i; UPDATE t SET n = 2 WHERE id > 300");
        await replica.SourceAsync("UPDATE t SET id = id + 1000 WHERE id BETWEEN 50 AND 60; UPDATE t SET n = 3 WHERE id > 1000; UPDATE t SET id = 51 WHERE id = 1051");
        await replica.SyncAsync(changesPerBatch: 17);
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_truncate_in_order()
    {
        await using var replica = await server.ReplicaAsync(
            "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE u (id int PRIMARY KEY, t int REFERENCES t); INSERT INTO t VALUES (1, 'a'); INSERT INTO u VALUES (1, 1)");
        await replica.StartAsync();
        await replica.SourceAsync("INSERT INTO t VALUES (2, 'b'); BEGIN; TRUNCATE t CASCADE; INSERT INTO t VALUES (3, 'c'); TRUNCATE u; INSERT INTO u VALUES (3, 3); COMMIT; UPDATE t SET v = 'd'");
        var result = await replica.SyncAsync();
        await replica.AssertEqualAsync();
        Assert.Equal(2, result.Rows[new TableName("public", "u")].Truncates);
    }

    [Fact]
    public async Task Should_touch_exactly_one_of_identical_rows_without_a_key()
    {
        await using var replica = await server.ReplicaAsync(
            """
            CREATE TABLE t (a int, b json, c numeric); ALTER TABLE t REPLICA IDENTITY FULL;
            INSERT INTO t VALUES (1, '{"x":1}', 1.0), (1, '{"x":1}', 1.0), (1, '{"x":1}', 1.00), (NULL, NULL, NULL), (NULL, NULL, NULL)
            """);
        await replica.StartAsync();
        await replica.SourceAsync("DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t WHERE a = 1)");
        await replica.SourceAsync("UPDATE t SET a = 5 WHERE ctid = (SELECT min(ctid) FROM t WHERE a IS NULL); INSERT INTO t VALUES (9, '[]', 0); DELETE FROM t WHERE a = 9; INSERT INTO t VALUES (8, '[]', 'NaN')");
        var result = await replica.SyncAsync();
        await replica.AssertEqualAsync();
        Assert.Equal(0, result.Rows[new TableName("public", "t")].Divergences);
    }

    [Fact]
    public async Task Should_use_the_destinations_key_when_the_source_sends_whole_old_rows()
    {
        await using var replica = await server.ReplicaAsync(
            $"CREATE TABLE t (id int PRIMARY KEY, v text, big text); ALTER TABLE t REPLICA IDENTITY FULL; ALTER TABLE t ALTER big SET STORAGE EXTERNAL; INSERT INTO t SELECT i, 'v', {Toast} FROM generate_series(1, 300) i");
        await replica.StartAsync();
        await replica.SourceAsync("UPDATE t SET v = 'w' || id; UPDATE t SET id = id + 1000 WHERE id < 20; DELETE FROM t WHERE id BETWEEN 30 AND 40");
        await replica.SyncAsync();
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_apply_shifts_and_swaps_of_a_second_unique_value()
    {
        await using var replica = await server.ReplicaAsync(
            $"CREATE TABLE t (id int PRIMARY KEY, place int UNIQUE, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL; INSERT INTO t SELECT i, i, {Toast} FROM generate_series(1, 100) i");
        await replica.StartAsync();
        await replica.TargetAsync("ALTER TABLE t ADD UNIQUE (place)");
        await replica.SourceAsync("BEGIN; UPDATE t SET place = -1, big = 'x' WHERE id = 1; UPDATE t SET place = 1, big = 'x' WHERE id = 2; UPDATE t SET place = 2 WHERE id = 1; COMMIT");
        await replica.SyncAsync();
        await replica.AssertEqualAsync();
        Assert.Single(replica.Events.Texts, static e => e.Contains("second unique constraint", StringComparison.Ordinal));
        // With values that are not in the stream the rows cannot be made anew.
        await replica.SourceAsync("BEGIN; UPDATE t SET place = place + 1000; UPDATE t SET place = place - 999; DELETE FROM t WHERE id = 50; UPDATE t SET place = 51 WHERE id = 99; COMMIT");
        await replica.SyncAsync();
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_update_in_place_while_values_of_a_second_unique_constraint_stay_with_their_rows()
    {
        await using var replica = await server.ReplicaAsync("CREATE TABLE t (id int PRIMARY KEY, place int UNIQUE, v int); INSERT INTO t SELECT i, i, 0 FROM generate_series(1, 200) i");
        await replica.StartAsync();
        await replica.TargetAsync(
            """
            ALTER TABLE t ADD UNIQUE (place);
            CREATE TABLE seen (op text);
            CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES (TG_OP); RETURN NULL; END $$;
            CREATE TRIGGER see AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION see();
            ALTER TABLE t ENABLE ALWAYS TRIGGER see
            """);
        const string seen = "SELECT string_agg(op || n, ' ' ORDER BY op) FROM (SELECT op, count(*) AS n FROM seen GROUP BY op) s";
        await replica.SourceAsync("UPDATE t SET v = v + 1; UPDATE t SET place = place + 1000 WHERE id > 100");
        await replica.SyncAsync();
        Assert.Equal("UPDATE200", await replica.TargetScalarAsync<string>(seen));

        // From the first collision on, in this and in later groups and sessions.
        await replica.SourceAsync("BEGIN; UPDATE t SET place = place + 5000; UPDATE t SET place = place - 4999; COMMIT");
        await replica.SyncAsync();
        await replica.TargetAsync("TRUNCATE seen");
        await replica.ReopenAsync(epoch: 2);
        await replica.SourceAsync("UPDATE t SET v = v + 1 WHERE id <= 60");
        await replica.SyncAsync();
        Assert.Equal("DELETE60 INSERT60", await replica.TargetScalarAsync<string>(seen));
        Assert.Single(replica.Events.Texts, static e => e.Contains("second unique constraint", StringComparison.Ordinal));
        await replica.AssertEqualAsync();
    }
}
