using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>An added column is followed in order with the rows; any other change of a table stops it with a remedy.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class EvolutionTests(DestinationServer server)
{
    const string Tables = "CREATE TABLE t (id int PRIMARY KEY, v varchar(10)); CREATE TABLE other (id int PRIMARY KEY); INSERT INTO t SELECT i, 'a' FROM generate_series(1, 100) i";
    static readonly TableName T = new("public", "t");

    [Fact]
    public async Task Should_follow_added_columns_with_the_values_older_rows_got()
    {
        await using var replica = await server.ReplicaAsync(Tables);
        await replica.StartAsync();
        await replica.SourceAsync(
            """
            UPDATE t SET v = 'b' WHERE id = 1;
            ALTER TABLE t ADD plain text;
            INSERT INTO t VALUES (101, 'x', 'plain');
            BEGIN;
            UPDATE t SET plain = 'p' WHERE id < 60;
            CREATE TYPE colour AS ENUM ('red', 'green');
            ALTER TABLE t ADD "Const" numeric(5,2) DEFAULT 1.50, ADD c colour NOT NULL DEFAULT 'green';
            INSERT INTO t VALUES (102, 'y', 'z', 7, 'red');
            UPDATE t SET "Const" = 9.99 WHERE id > 90;
            COMMIT;
            ALTER TABLE t ALTER "Const" SET DEFAULT 2.5;
            INSERT INTO t (id, v) VALUES (103, 'w')
            """);
        await replica.SyncAsync();
        replica.TextColumns.Add("c");
        await replica.AssertEqualAsync();
        Assert.Equal("2.5", await replica.TargetScalarAsync<string>("SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE attname = 'Const'"));

        await replica.ReopenAsync(epoch: 2);
        // A generated column is not in the stream.
        await replica.SourceAsync("ALTER TABLE t ADD gen int GENERATED ALWAYS AS (id * 2) STORED; UPDATE t SET plain = 'again' WHERE id % 2 = 0");
        await replica.SyncAsync();
        await replica.AssertEqualAsync();
    }

    [Theory]
    [InlineData("ALTER TABLE t DROP COLUMN v", "dropped")]
    [InlineData("ALTER TABLE t RENAME COLUMN v TO w", "dropped or renamed")]
    [InlineData("ALTER TABLE t ALTER v TYPE text USING v || '!'", "type")]
    [InlineData("ALTER TABLE t ALTER v TYPE varchar(20)", "varying(10)")]
    [InlineData("ALTER TABLE t ADD r float8 DEFAULT random()", "row by row")]
    [InlineData("ALTER TABLE t ADD s serial", "row by row")]
    [InlineData("DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, v varchar(10))", "made anew")]
    [InlineData("ALTER TABLE t RENAME TO t2; CREATE VIEW ignored AS SELECT 1; INSERT INTO t2 VALUES (299); CREATE TABLE t (id int PRIMARY KEY)", "renamed to")]
    public async Task Should_stop_the_table_on_any_other_change(string ddl, string reason)
    {
        await using var replica = await server.ReplicaAsync(Tables);
        await replica.StartAsync();
        await replica.SourceAsync("INSERT INTO t VALUES (200, 'before'); INSERT INTO other VALUES (1)");
        await replica.SyncAsync();
        await replica.SourceAsync($"{ddl}; INSERT INTO t (id) VALUES (300); INSERT INTO other VALUES (2)");
        var stop = Assert.Single((await replica.SyncWithStopsAsync()).Stops);
        Assert.Equal(T, stop.Key);
        Assert.Contains(reason, stop.Value.Reason, StringComparison.Ordinal);
        Assert.Contains("resync", stop.Value.Remedy, StringComparison.Ordinal);
        await replica.AssertEqualAsync("other");
    }

    [Theory]
    [InlineData("ALTER TABLE t DROP COLUMN v", "Column v was dropped or renamed at the source")]
    [InlineData("ALTER TABLE t RENAME COLUMN v TO w", "Column v was dropped or renamed at the source")]
    [InlineData("ALTER TABLE t DROP COLUMN v, ADD v int GENERATED ALWAYS AS (id * 2) STORED", "Column v became a generated column at the source")]
    [InlineData("ALTER TABLE t ALTER g DROP EXPRESSION; UPDATE t SET g = id", "Column g is generated at the destination and an ordinary column at the source")]
    [InlineData("ALTER TABLE t ALTER v TYPE text USING v || '!'", "Column v changed its type")]
    [InlineData("ALTER TABLE t ALTER v DROP DEFAULT, ALTER v TYPE int USING length(v), ALTER v SET DEFAULT 5", "Column v changed its type")]
    [InlineData("ALTER TABLE t ALTER v TYPE varchar(20)", "varying(10)")]
    [InlineData("CREATE TYPE colour AS ENUM ('red'); ALTER TABLE t ALTER v DROP DEFAULT, ALTER v TYPE colour USING 'red', ALTER v SET DEFAULT 'red'", "Column v changed its type")]
    [InlineData("ALTER TABLE t ADD r float8 DEFAULT random()", "Column r was added with values that the source computed row by row")]
    [InlineData("ALTER TABLE t ADD r uuid NOT NULL DEFAULT gen_random_uuid()", "Column r was added with values that the source computed row by row")]
    [InlineData("ALTER TABLE t ADD s serial", "row by row")]
    [InlineData("DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, v varchar(10) NOT NULL DEFAULT 'd')", "dropped and made anew")]
    [InlineData("ALTER TABLE t ALTER v DROP NOT NULL; INSERT INTO t VALUES (299, NULL)", "null value in column")]
    public async Task Should_go_on_after_its_remedy_and_a_resync(string ddl, string reason)
    {
        await using var replica = await server.ReplicaAsync(
            "CREATE TABLE t (id int PRIMARY KEY, v varchar(10) NOT NULL DEFAULT 'd', g int GENERATED ALWAYS AS (id + 1) STORED); CREATE TABLE other (id int PRIMARY KEY); INSERT INTO t SELECT i, 'a' FROM generate_series(1, 100) i");
        await replica.StartAsync();
        await replica.SourceAsync("INSERT INTO t VALUES (200, 'before')");
        await replica.SyncAsync();
        await replica.SourceAsync($"{ddl}; INSERT INTO t (id) VALUES (300); INSERT INTO other VALUES (2)");
        var stop = Assert.Single((await replica.SyncWithStopsAsync()).Stops);
        Assert.Equal(T, stop.Key);
        Assert.Contains(reason, stop.Value.Reason, StringComparison.Ordinal);
        await replica.AssertEqualAsync("other");

        await replica.MendAsync(T, stop.Value.Remedy);
        if (ddl.Contains("colour", StringComparison.Ordinal))
            replica.TextColumns.Add("v");
        await replica.AssertEqualAsync();
        await replica.SourceAsync("INSERT INTO t (id) VALUES (301); UPDATE t SET id = id + 1000 WHERE id < 5; DELETE FROM t WHERE id = 50");
        await replica.SyncAsync();
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_keep_the_key_when_its_type_changes()
    {
        await using var replica = await server.ReplicaAsync(Tables);
        await replica.StartAsync();
        await replica.SourceAsync("ALTER TABLE t ALTER id TYPE bigint; INSERT INTO t VALUES (5000000000, 'x')");
        await replica.MendAsync(T, Assert.Single((await replica.SyncWithStopsAsync()).Stops).Value.Remedy);
        await replica.SourceAsync("UPDATE t SET v = 'y' WHERE id > 90");
        await replica.SyncAsync();
        await replica.AssertEqualAsync();
        Assert.Equal("PRIMARY KEY (id)", await replica.TargetScalarAsync<string>("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'p'"));
    }

    [Fact]
    public async Task Should_follow_a_column_whose_type_and_schema_the_destination_lacks_or_say_how_to_make_them()
    {
        await server.Server.ExecuteAsync("DO $$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
        foreach (var user in (string[])["postgres", "plain"])
        {
            await using var replica = await server.ReplicaAsync(Tables, user);
            await replica.TargetAsync("DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO plain', current_database()); END $$; GRANT CREATE ON SCHEMA public TO plain");
            await replica.StartAsync();
            await replica.TargetAsync("DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM plain', current_database()); END $$");
            await replica.SourceAsync(
                """
                CREATE SCHEMA "Far; away"; CREATE TYPE "Far; away"."Mo""od" AS ENUM ('it''s', 'fine'); CREATE DOMAIN "Far; away".whole AS int CHECK (VALUE > 0);
                ALTER TABLE t ADD m "Far; away"."Mo""od", ADD n "Far; away".whole; INSERT INTO t VALUES (500, 'x', 'fine', 7)
                """);
            replica.TextColumns.UnionWith(["m", "n"]);
            var stops = (await replica.SyncWithStopsAsync()).Stops;
            if (user == "postgres")
                Assert.Empty(stops);
            else
            {
                var stop = Assert.Single(stops).Value;
                Assert.Contains("cannot be made at the destination", stop.Reason, StringComparison.Ordinal);
                // The first of the types; the second one's turn comes when the table is copied.
                var copied = await Record.ExceptionAsync(() => replica.MendAsync(T, stop.Remedy));
                var second = Assert.IsType<Core.Errors.FaultException>(copied).Fault;
                await replica.TargetAsync(second.Remedy!);
                await replica.ResyncAsync(T);
            }

            await replica.AssertEqualAsync();
        }
    }

    [Fact]
    public async Task Should_take_the_identity_index_for_a_key_where_there_is_no_primary_key()
    {
        await using var replica = await server.ReplicaAsync(
            """
            CREATE TABLE t (a int NOT NULL, b text NOT NULL, v int); CREATE UNIQUE INDEX ON t (b, a); ALTER TABLE t REPLICA IDENTITY USING INDEX t_b_a_idx;
            CREATE TABLE u (id int PRIMARY KEY, k text NOT NULL UNIQUE, v int); ALTER TABLE u REPLICA IDENTITY USING INDEX u_k_key;
            INSERT INTO t SELECT i, 'b', 0 FROM generate_series(1, 100) i; INSERT INTO u SELECT i, 'k' || i, 0 FROM generate_series(1, 100) i
            """);
        await replica.StartAsync();
        Assert.Equal("PRIMARY KEY (b, a)", await replica.TargetScalarAsync<string>("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'p'"));
        Assert.Equal(2, await replica.TargetScalarAsync<long>("SELECT count(*) FROM pg_index WHERE indrelid = 'u'::regclass AND indisunique"));
        await replica.SourceAsync("UPDATE t SET v = v + 1; UPDATE t SET a = a + 1000 WHERE a < 10; DELETE FROM t WHERE a = 60; UPDATE u SET v = 1; UPDATE u SET k = 'x' WHERE id = 1; DELETE FROM u WHERE id = 2; UPDATE u SET id = 500 WHERE id = 3");
        await replica.SyncAsync();
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_notice_a_dropped_column_after_a_restart()
    {
        await using var replica = await server.ReplicaAsync(Tables);
        await replica.StartAsync();
        await replica.Session.DisposeAsync();
        await replica.SourceAsync("ALTER TABLE t DROP COLUMN v; INSERT INTO t VALUES (300)");
        await replica.ReopenAsync(epoch: 2);
        Assert.Contains("dropped", Assert.Single((await replica.SyncWithStopsAsync()).Stops).Value.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_add_a_label_that_an_enum_got_at_the_source()
    {
        await using var replica = await server.ReplicaAsync("CREATE TYPE mood AS ENUM ('low', 'high'); CREATE TABLE t (id int PRIMARY KEY, m mood); INSERT INTO t VALUES (1, 'low')");
        await replica.StartAsync();
        await replica.SourceAsync("ALTER TYPE mood ADD VALUE 'middle' BEFORE 'high'");
        await replica.SourceAsync("INSERT INTO t VALUES (2, 'middle')");
        Assert.Empty((await replica.SyncWithStopsAsync()).Stops);
        replica.TextColumns.Add("m");
        await replica.AssertEqualAsync();
        Assert.Equal("{low,middle,high}", await replica.TargetScalarAsync<string>("SELECT enum_range(NULL::mood)::text"));
    }

    [Fact]
    public async Task Should_replicate_chosen_columns_only()
    {
        await using var replica = await server.ReplicaAsync("CREATE TABLE t (id int PRIMARY KEY, secret text, v int); INSERT INTO t VALUES (1, 's', 1)");
        replica.Routes[T] = new TableRoute(T, new TableName("Other \"schema\"", "te;e"), ["id", "v"]);
        await replica.StartAsync();
        await replica.SourceAsync("INSERT INTO t VALUES (2, 's', 2); UPDATE t SET secret = 'x', v = 3 WHERE id = 1; UPDATE t SET secret = NULL; ALTER TABLE t ADD unwanted int; UPDATE t SET unwanted = 1");
        await replica.SyncAsync();
        Assert.Equal("(1,3) (2,2)", await replica.TargetScalarAsync<string>("SELECT string_agg(t::text, ' ' ORDER BY id) FROM \"Other \"\"schema\"\"\".\"te;e\" t"));
    }
}
