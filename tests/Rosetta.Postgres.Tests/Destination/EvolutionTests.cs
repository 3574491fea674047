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
