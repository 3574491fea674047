using System.Buffers.Binary;
using System.Text;
using Rosetta.Postgres.Wire;
using Xunit;

namespace Rosetta.Postgres.Tests.Wire;

[Collection(WireCollection.Name)]
public sealed class PipelineTests(WireServer wire)
{
    static byte[] Lines(int count) => Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(1, count).Select(n => $"{n}\tvalue {n}\n")));

    async Task<PgConnection> OpenWithTableAsync()
    {
        PgConnection connection = await wire.OpenAsync();
        await connection.QueryAsync("CREATE TEMP TABLE t (id bigint PRIMARY KEY, v text)");
        return connection;
    }

    [Fact]
    public async Task Should_run_queries_copies_and_prepared_statements_in_one_transaction()
    {
        await using PgConnection connection = await OpenWithTableAsync();
        await connection.PrepareAsync("upd", "UPDATE t SET v = $2 WHERE id = $1 RETURNING id", [20, 25]);
        using PgPipeline pipeline = connection.CreatePipeline();

        int begin = pipeline.Query("BEGIN");
        int copy = pipeline.CopyIn("COPY t FROM STDIN", Lines(50_000));
        int first = pipeline.Execute("upd", [PgParameter.Int64(7), PgParameter.Text("seven")]);
        int second = pipeline.Execute("upd", [PgParameter.Int64(8), PgParameter.Null]);
        int none = pipeline.Execute("upd", [PgParameter.Int64(-1), PgParameter.Null]);
        int count = pipeline.Query("SELECT count(*), count(v), min(v) FILTER (WHERE id = 7) FROM t");
        int commit = pipeline.Query("COMMIT");
        PgPipelineResults results = (await pipeline.RunAsync()).ThrowIfFailed();

        Assert.Equal(7, results.Count);
        Assert.Equal(-1, results.FirstFailed);
        Assert.Equal("BEGIN", results[begin].Command);
        Assert.Equal(("COPY", 50_000L), (results[copy].Command, results[copy].RowCount));
        Assert.Equal(7, BinaryPrimitives.ReadInt64BigEndian(results[first].Rows[0][0]));
        Assert.Equal(("UPDATE", 1L), (results[second].Command, results[second].RowCount));
        Assert.Equal(0, results[none].RowCount);
        Assert.Equal((50_000L, 49_999L, "seven"), (results[count].Int64(0, 0), results[count].Int64(0, 1), results[count].Text(0, 2)));
        Assert.Equal("COMMIT", results[commit].Command);
        Assert.Equal(PgTransactionStatus.Idle, connection.TransactionStatus);
    }

    [Theory]
    [InlineData("COPY no_such_table FROM STDIN", "42P01")]
    [InlineData("COPY t FROM STDIN (FORMAT nonsense)", "22023")]
    [InlineData("COPY t (id) FROM STDIN", "22P04")]
    public async Task Should_ignore_the_data_of_a_copy_that_fails(string sql, string sqlState)
    {
        await using PgConnection connection = await OpenWithTableAsync();
        using PgPipeline pipeline = connection.CreatePipeline();

        pipeline.Query("BEGIN");
        int copy = pipeline.CopyIn(sql, Lines(100_000));
        int next = pipeline.CopyIn("COPY t FROM STDIN", Lines(10));
        int commit = pipeline.Query("COMMIT");
        int after = pipeline.CopyIn("COPY t FROM STDIN", Lines(10));
        int count = pipeline.Query("SELECT count(*) FROM t");
        PgPipelineResults results = await pipeline.RunAsync();

        Assert.Equal(copy, results.FirstFailed);
        Assert.Equal(sqlState, results[copy].Error!.SqlState);
        Assert.Equal("25P02", results[next].Error!.SqlState);
        Assert.Equal("ROLLBACK", results[commit].Command);
        Assert.Equal(10, results[after].RowCount);
        Assert.Equal(10, results[count].Int64(0, 0));
        Assert.Equal(sqlState, Assert.Throws<PgServerException>(() => results.ThrowIfFailed()).SqlState);
    }

    [Fact]
    public async Task Should_report_where_copied_data_were_wrong()
    {
        await using PgConnection connection = await OpenWithTableAsync();
        using PgPipeline pipeline = connection.CreatePipeline();
        pipeline.CopyIn("COPY t FROM STDIN", Encoding.UTF8.GetBytes("1\ta\nx\tb\n"));
        PgPipelineResults results = await pipeline.RunAsync();
        Assert.Equal("22P02", results[0].Error!.SqlState);
        Assert.Contains("COPY t, line 2, column id", results[0].Error!.Error.Where);
    }

    [Fact]
    public async Task Should_skip_the_rest_of_a_group_and_try_the_next_one()
    {
        await using PgConnection connection = await OpenWithTableAsync();
        await connection.PrepareAsync("ins", "INSERT INTO t VALUES ($1, $2)", []);
        using PgPipeline pipeline = connection.CreatePipeline();

        pipeline.Execute("ins", [PgParameter.Int64(1), PgParameter.Text("a")]);
        int wrong = pipeline.Execute("ins", [PgParameter.Int64(1), PgParameter.Text("b")]);
        int skipped = pipeline.Execute("ins", [PgParameter.Int64(2), PgParameter.Text("c")]);
        pipeline.Sync();
        pipeline.Sync();
        int next = pipeline.Execute("ins", [PgParameter.Int64(3), PgParameter.Text("d")]);
        int unknown = pipeline.Execute("nothing", []);
        int rows = pipeline.Query("SELECT string_agg(v, ',') FROM t");
        PgPipelineResults results = await pipeline.RunAsync();

        Assert.Equal("23505", results[wrong].Error!.SqlState);
        Assert.True(results[skipped].IsSkipped);
        Assert.Null(results[next].Error);
        Assert.Equal("26000", results[unknown].Error!.SqlState);
        // A group outside of BEGIN is one transaction: the first insert of each group went with its failed neighbour.
        Assert.Null(results[rows].Text(0, 0));
        Assert.Equal("1", (await connection.QueryAsync("SELECT 1")).Text(0, 0));
    }

    [Fact]
    public async Task Should_not_block_when_both_sides_have_full_buffers()
    {
        await using PgConnection connection = await wire.OpenAsync(new PgConnectOptions { LocalReceiveBufferBytes = 8192 });
        await connection.QueryAsync("CREATE TEMP TABLE echo (v text)");
        await connection.PrepareAsync("echo", "SELECT $1", [25]);
        using PgPipeline pipeline = connection.CreatePipeline();
        byte[] value = new byte[50_000];
        Array.Fill(value, (byte)'x');
        for (int i = 0; i < 500; i++)
        {
            pipeline.Execute("echo", [PgParameter.Text(value)]);
            if (i % 3 == 0)
                pipeline.CopyIn("COPY echo FROM STDIN", value);
        }

        PgPipelineResults results = (await pipeline.RunAsync()).ThrowIfFailed();

        Assert.Equal(500, results.Count(r => r.Rows.Count == 1 && r.Rows[0][0]!.Length == value.Length));
    }

    [Fact]
    public async Task Should_write_large_parameters_in_place()
    {
        await using PgConnection connection = await OpenWithTableAsync();
        await connection.PrepareAsync("sum", "SELECT sum(n)::bigint, count($2::text) FROM unnest($1::bigint[]) n", []);
        using PgPipeline pipeline = connection.CreatePipeline();
        const int Elements = 100_000;

        PgBindWriter bind = pipeline.BeginExecute("sum", 2, out int operation);
        bind.BeginParameter();
        Int32(1); // dimensions
        Int32(0); // no nulls
        Int32(20); // bigint
        int patch = bind.ParameterLength;
        Int32(0); // length, known later
        Int32(1); // lower bound
        for (long n = 1; n <= Elements; n++)
        {
            Int32(8);
            BinaryPrimitives.WriteInt64BigEndian(bind.GetSpan(8), n);
            bind.Advance(8);
        }

        bind.PatchInt32(patch, Elements);
        bind.EndParameter();
        bind.WriteNull();
        Assert.Throws<InvalidOperationException>(() => pipeline.Query("SELECT 1"));
        bind.Complete();
        PgPipelineResults results = (await pipeline.RunAsync()).ThrowIfFailed();

        Assert.Equal((long)Elements * (Elements + 1) / 2, BinaryPrimitives.ReadInt64BigEndian(results[operation].Rows[0][0]));

        void Int32(int value)
        {
            BinaryPrimitives.WriteInt32BigEndian(bind.GetSpan(4), value);
            bind.Advance(4);
        }
    }

    [Fact]
    public async Task Should_write_copy_data_in_place_while_another_pipeline_runs()
    {
        await using PgConnection connection = await OpenWithTableAsync();
        using PgPipeline running = connection.CreatePipeline();
        using PgPipeline next = connection.CreatePipeline();
        running.Query("SELECT pg_sleep(0.2)");
        ValueTask<PgPipelineResults> run = running.RunAsync();

        PgCopyBuffer copy = next.BeginCopyIn("COPY t FROM STDIN", out int operation);
        for (int n = 1; n <= 20_000; n++)
            copy.Write(Encoding.UTF8.GetBytes($"{n}\tvalue {n}\n"));
        copy.Complete();

        (await run).ThrowIfFailed();
        Assert.Equal(20_000, (await next.RunAsync())[operation].RowCount);
        Assert.Equal(0, next.Count);
        next.Query("SELECT sum(id) FROM t");
        Assert.Equal(200_010_000, (await next.RunAsync())[0].Int64(0, 0));
    }

    [Fact]
    public async Task Should_break_when_a_copy_operation_has_no_copy_statement()
    {
        await using PgConnection connection = await OpenWithTableAsync();
        using PgPipeline pipeline = connection.CreatePipeline();
        pipeline.CopyIn("SELECT 1", Lines(1));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await pipeline.RunAsync());
        Assert.True(connection.IsBroken);
    }

    [Fact]
    public async Task Should_report_a_backend_that_is_terminated_while_we_send()
    {
        await using PgConnection connection = await OpenWithTableAsync();
        using PgPipeline pipeline = connection.CreatePipeline();
        pipeline.Query("SELECT pg_terminate_backend(pg_backend_pid())");
        pipeline.CopyIn("COPY t FROM STDIN", Lines(1_000_000));
        // Its last words may get lost when our data arrive at a socket that is closed already.
        await Assert.ThrowsAnyAsync<PgException>(async () => await pipeline.RunAsync());
        Assert.True(connection.IsBroken);
    }
}

static class PipelineResultsExtensions
{
    public static int Count(this PgPipelineResults results, Func<PgResult, bool> predicate) =>
        Enumerable.Range(0, results.Count).Count(i => predicate(results[i]));
}
