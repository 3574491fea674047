using System.Runtime.CompilerServices;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>A copy makes or fills its table and its state in one transaction, and nothing is emptied unasked.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class CopyTests(DestinationServer server)
{
    static readonly TableName T = new("public", "t");

    [Fact]
    public async Task Should_make_the_table_as_it_is_at_the_source()
    {
        await using var replica = await server.ReplicaAsync(
            """
            CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, part char(2) NOT NULL DEFAULT 'xy', n numeric(8,3) DEFAULT 1.5, s int NOT NULL DEFAULT nextval('seq'),
                            twice numeric GENERATED ALWAYS AS (n * 2) STORED, at timestamptz DEFAULT now(), PRIMARY KEY (part, id));
            INSERT INTO t (part, n) SELECT 'a' || i, i FROM generate_series(1, 9) i
            """.Replace("CREATE TABLE t", "CREATE SEQUENCE seq; CREATE TABLE t", StringComparison.Ordinal));
        await replica.StartAsync();
        await replica.AssertEqualAsync();
        Assert.Equal(9, replica.Session.Tables[T].CopiedRows);
        Assert.Equal(
            "id:bigint:true: part:character(2):true:'xy'::bpchar n:numeric(8,3):false:1.5 s:integer:true: twice:numeric:false:(n * (2)::numeric) at:timestamp with time zone:false:now()",
            await replica.TargetScalarAsync<string>(
                """
                SELECT string_agg(concat_ws(':', attname, format_type(atttypid, atttypmod), attnotnull::text, coalesce(pg_get_expr(adbin, adrelid), '')), ' ' ORDER BY attnum)
                  FROM pg_attribute a LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum WHERE attrelid = 't'::regclass AND attnum > 0
                """));
        Assert.Equal("PRIMARY KEY (part, id)", await replica.TargetScalarAsync<string>("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'p'"));
        await replica.SourceAsync("INSERT INTO t (part, n) VALUES ('zz', 0.001); UPDATE t SET n = n + 1; UPDATE t SET part = 'b1' WHERE part = 'a1'");
        await replica.SyncAsync();
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_refuse_a_table_with_rows_until_told_to_empty_it()
    {
        await using var replica = await server.ReplicaAsync("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
        await replica.TargetAsync("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (99); CREATE TABLE child (id int REFERENCES t); INSERT INTO child VALUES (99)");
        var e = await Assert.ThrowsAsync<FaultException>(() => replica.StartAsync());
        Assert.Equal(ErrorClass.Table, e.Fault.Class);
        Assert.Contains("resync", e.Fault.Remedy, StringComparison.Ordinal);
        Assert.Equal(99, await replica.TargetScalarAsync<int>("SELECT id FROM t"));
        Assert.False(replica.Session.Tables.ContainsKey(T));

        var table = await replica.Catalog.DescribeAsync(T, default);
        await replica.CopyAsync(new TableCopy(replica.Routes[T], table!, replica.Opening.StartPosition, true, CopyFormat.Text, null));
        await replica.AssertEqualAsync();
        Assert.Equal(99, await replica.TargetScalarAsync<int>("SELECT id FROM child"));
    }

    [Fact]
    public async Task Should_fill_an_existing_table_with_other_column_order_wider_types_and_columns_of_its_own()
    {
        await using var replica = await server.ReplicaAsync("CREATE TABLE t (id int PRIMARY KEY, v varchar(10), f real, s smallint); INSERT INTO t VALUES (1, 'a', 1.1, 2), (2, NULL, 'NaN', -2)");
        await replica.TargetAsync("CREATE TABLE t (mine text DEFAULT 'kept', s numeric, v text, id bigint PRIMARY KEY)");
        await replica.StartAsync();
        await replica.SourceAsync("INSERT INTO t SELECT i, 'v' || i, i / 7.0, i FROM generate_series(3, 200) i; UPDATE t SET s = s + 1 WHERE id < 100; DELETE FROM t WHERE id = 2; UPDATE t SET id = -1 WHERE id = 1");
        await replica.SyncAsync();
        await replica.SourceAsync("UPDATE t SET v = 'few' WHERE id = 10; DELETE FROM t WHERE id = 11");
        await replica.SyncAsync();
        const string all = "SELECT string_agg(concat_ws(',', id::bigint, v, f::real, s::int), ';' ORDER BY id) FROM t";
        Assert.Equal(await server.Server.ScalarAsync<string>(all, replica.Source), await replica.TargetScalarAsync<string>(all));
        Assert.Equal(0, await replica.TargetScalarAsync<long>("SELECT count(*) FROM t WHERE mine IS DISTINCT FROM 'kept'"));
    }

    [Theory]
    [InlineData("v int")]
    [InlineData("v varchar(5)")]
    [InlineData("v text GENERATED ALWAYS AS ('x') STORED")]
    public async Task Should_refuse_a_column_that_would_change_values(string column)
    {
        await using var replica = await server.ReplicaAsync("CREATE TABLE t (id int PRIMARY KEY, v varchar(10))");
        await replica.TargetAsync($"CREATE TABLE t (id int PRIMARY KEY, {column})");
        var e = await Assert.ThrowsAsync<FaultException>(() => replica.StartAsync());
        Assert.Contains("ALTER TABLE", e.Fault.Remedy, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(FailpointNames.CopyBegun, false)]
    [InlineData(FailpointNames.CopyHalf, false)]
    [InlineData(FailpointNames.CopyBeforeCommit, false)]
    [InlineData(FailpointNames.CopyAfterCommit, true)]
    public async Task Should_leave_nothing_behind_when_cut(string failpoint, bool isDone)
    {
        await using var replica = await server.ReplicaAsync("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 5000) i");
        using (Failpoint.Arm(failpoint, () => throw new FailpointException(failpoint), 1))
            await Assert.ThrowsAsync<FailpointException>(() => replica.StartAsync());
        Assert.Equal(isDone ? "t" : null, await replica.TargetScalarAsync<string>("SELECT to_regclass('t')::text"));
        await replica.Session.DisposeAsync();
        await replica.StartAsync();
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_drop_changes_that_the_copy_has_and_apply_the_later_ones()
    {
        await using var replica = await server.ReplicaAsync("CREATE TABLE t (id int PRIMARY KEY, v int); CREATE TABLE u (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0); INSERT INTO u VALUES (1, 0)");
        await replica.StartAsync();
        await replica.Session.ForgetTableAsync(T, default);
        await replica.SourceAsync("INSERT INTO t VALUES (2, 0); UPDATE u SET v = 1; UPDATE t SET v = v + 1");
        // The stream has not been applied: the copy is ahead of it.
        var now = await server.Server.ScalarAsync<string>("SELECT pg_current_wal_insert_lsn()::text", replica.Source);
        var table = await replica.Catalog.DescribeAsync(T, default);
        await replica.CopyAsync(new TableCopy(replica.Routes[T], table!, Core.Positions.Lsn.Parse(now!), true, CopyFormat.Binary, null));
        await replica.SourceAsync("UPDATE t SET v = v + 10 WHERE id = 2; INSERT INTO t VALUES (3, 0); INSERT INTO u VALUES (2, 2)");
        var result = await replica.SyncAsync();
        Assert.Equal((1, 1), (result.Rows[T].Inserted, result.Rows[T].Updated));
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_give_back_the_connection_when_the_source_of_the_copy_fails()
    {
        await using var replica = await server.ReplicaAsync("CREATE TABLE t (id int PRIMARY KEY)");
        await replica.StartAsync();
        await replica.Session.ForgetTableAsync(T, default);
        var table = await replica.Catalog.DescribeAsync(T, default);
        var copy = new TableCopy(replica.Routes[T], table!, replica.Opening.StartPosition, false, CopyFormat.Binary, null);
        await Assert.ThrowsAsync<IOException>(() => replica.Session.CopyTableAsync(copy, new FailingSource(), default));
        await replica.CopyAsync(copy);
        await replica.AssertEqualAsync();
    }

    sealed class FailingSource : ICopySource
    {
        public IReadOnlyList<string> ColumnNames { get; } = ["id"];

        public async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await Task.Yield();
            yield return "PGCOPY\n"u8.ToArray();
            throw new IOException("The source is gone.");
        }
    }
}
