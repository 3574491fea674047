using System.Security.Cryptography;
using Rosetta.Postgres.Wire;
using Xunit;

namespace Rosetta.Postgres.Tests.Wire;

[Collection(WireCollection.Name)]
public sealed class CopyTests(WireServer wire)
{
    const string Source = """
        CREATE TEMP TABLE s AS SELECT n AS id, repeat(md5(n::text), n % 200) AS v, CASE WHEN n % 3 = 0 THEN NULL ELSE n * 1.5 END AS x,
            decode(md5(n::text), 'hex') AS b, ARRAY[n, NULL, -n] AS a FROM generate_series(1, 20000) n;
        CREATE TEMP TABLE d (LIKE s)
        """;

    [Theory]
    [InlineData("(FORMAT binary)", true)]
    [InlineData("(FORMAT binary)", false)]
    [InlineData("", false)]
    public async Task Should_pass_a_table_through_unchanged(string format, bool tls)
    {
        PgEndpoint endpoint = wire.Endpoint with { SslMode = tls ? PgSslMode.Require : PgSslMode.Disable };
        await using PgConnection from = await PgConnection.OpenAsync(endpoint);
        await using PgConnection to = await PgConnection.OpenAsync(endpoint);
        await from.QueryAsync(Source);
        await to.QueryAsync(Source + "; TRUNCATE s");

        long chunkRows = 0;
        await using (PgCopyOut source = await from.CopyOutAsync($"COPY s TO STDOUT {format}"))
        await using (PgCopyIn target = await to.CopyInAsync($"COPY d FROM STDIN {format}"))
        {
            while (await source.ReadAsync(100_000) is { } chunk)
            {
                using (chunk)
                {
                    chunkRows += chunk.RowCount;
                    await target.WriteAsync(chunk.Memory);
                }
            }

            Assert.Equal(20_000, (await target.CompleteAsync()).RowCount);
            Assert.Equal(20_000, source.RowCount);
        }

        Assert.Equal(20_000, chunkRows);
        const string Digest = "SELECT md5(string_agg(r::text, '|' ORDER BY id)) FROM {0} r";
        Assert.Equal((await from.QueryAsync(string.Format(null, Digest, "s"))).Text(0, 0), (await to.QueryAsync(string.Format(null, Digest, "d"))).Text(0, 0));
    }

    [Fact]
    public async Task Should_hand_out_whole_rows()
    {
        await using PgConnection connection = await wire.OpenAsync(new PgConnectOptions { ReadBufferBytes = 4096 });
        await using PgCopyOut copy = await connection.CopyOutAsync("COPY (SELECT n, repeat('x', n % 5000) FROM generate_series(1, 5000) n) TO STDOUT");
        int rows = 0;
        while (await copy.ReadAsync(10_000) is { } chunk)
        {
            using (chunk)
            {
                Assert.Equal((byte)'\n', chunk.Memory.Span[^1]);
                Assert.Equal(chunk.RowCount, chunk.Memory.Span.Count((byte)'\n'));
                rows += chunk.RowCount;
            }
        }

        Assert.Equal(5000, rows);
    }

    [Fact]
    public async Task Should_count_no_rows_in_an_empty_binary_copy()
    {
        await using PgConnection connection = await wire.OpenAsync();
        await using PgCopyOut copy = await connection.CopyOutAsync("COPY (SELECT 1 WHERE false) TO STDOUT (FORMAT binary)");
        using PgCopyChunk? chunk = await copy.ReadAsync();
        Assert.Equal((21, 0), (chunk!.Length, chunk.RowCount));
        Assert.Null(await copy.ReadAsync());
    }

    [Fact]
    public async Task Should_report_an_error_in_the_middle_of_a_copy_out()
    {
        await using PgConnection connection = await wire.OpenAsync();
        await using PgCopyOut copy = await connection.CopyOutAsync("COPY (SELECT 1 / (100000 - n) FROM generate_series(1, 200000) n) TO STDOUT");
        var error = await Assert.ThrowsAsync<PgServerException>(async () =>
        {
            while (await copy.ReadAsync(1000) is { } chunk)
                chunk.Dispose();
        });
        Assert.Equal("22012", error.SqlState);
        Assert.Equal("1", (await connection.QueryAsync("SELECT 1")).Text(0, 0));
    }

    [Fact]
    public async Task Should_stop_sending_when_the_server_gives_the_copy_up()
    {
        await using PgConnection connection = await wire.OpenAsync();
        await connection.QueryAsync("CREATE TEMP TABLE n (id int)");
        await using PgCopyIn copy = await connection.CopyInAsync("COPY n FROM STDIN");
        byte[] garbage = RandomNumberGenerator.GetBytes(100_000);
        long sent = 0;
        var error = await Assert.ThrowsAsync<PgServerException>(async () =>
        {
            while (sent < 10_000_000_000)
            {
                await copy.WriteAsync(garbage);
                sent += garbage.Length;
            }
        });
        Assert.StartsWith("22", error.SqlState);
        Assert.Equal("0", (await connection.QueryAsync("SELECT count(*) FROM n")).Text(0, 0));
    }

    [Fact]
    public async Task Should_leave_nothing_of_an_unfinished_copy()
    {
        await using PgConnection connection = await wire.OpenAsync();
        await connection.QueryAsync("CREATE TEMP TABLE u (id int)");
        await using (PgCopyIn copy = await connection.CopyInAsync("COPY u FROM STDIN"))
            await copy.WriteAsync("1\n2\n"u8.ToArray());
        Assert.Equal("0", (await connection.QueryAsync("SELECT count(*) FROM u")).Text(0, 0));
    }

    [Fact]
    public async Task Should_not_block_when_every_copied_row_makes_a_notice()
    {
        int notices = 0;
        await using PgConnection connection = await wire.OpenAsync(new PgConnectOptions { LocalReceiveBufferBytes = 8192, OnNotice = _ => notices++ });
        await connection.QueryAsync("""
            CREATE TEMP TABLE noisy (id int);
            CREATE FUNCTION pg_temp.shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', repeat('x', 2000); RETURN NEW; END $$;
            CREATE TRIGGER shout BEFORE INSERT ON noisy FOR EACH ROW EXECUTE FUNCTION pg_temp.shout()
            """);
        await using PgCopyIn copy = await connection.CopyInAsync("COPY noisy FROM STDIN");
        byte[] lines = "1\n2\n3\n4\n5\n"u8.ToArray();
        for (int i = 0; i < 2000; i++)
            await copy.WriteAsync(lines);
        Assert.Equal(10_000, (await copy.CompleteAsync()).RowCount);
        Assert.Equal(10_000, notices);
    }

    [Fact]
    public async Task Should_report_a_copy_that_cannot_begin()
    {
        await using PgConnection connection = await wire.OpenAsync();
        Assert.Equal("42P01", (await Assert.ThrowsAsync<PgServerException>(async () => await connection.CopyOutAsync("COPY nowhere TO STDOUT"))).SqlState);
        Assert.Equal("42P01", (await Assert.ThrowsAsync<PgServerException>(async () => await connection.CopyInAsync("COPY nowhere FROM STDIN"))).SqlState);
        Assert.Equal("1", (await connection.QueryAsync("SELECT 1")).Text(0, 0));
    }

    [Fact]
    public async Task Should_give_the_connection_up_when_a_copy_out_is_left_in_the_middle()
    {
        await using PgConnection connection = await wire.OpenAsync();
        await using (PgCopyOut copy = await connection.CopyOutAsync("COPY (SELECT generate_series(1, 100000000)) TO STDOUT"))
            (await copy.ReadAsync())!.Dispose();
        Assert.True(connection.IsBroken);
    }
}
