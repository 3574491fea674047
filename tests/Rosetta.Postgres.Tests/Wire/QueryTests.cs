using Rosetta.Postgres.Wire;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Postgres.Tests.Wire;

[Collection(WireCollection.Name)]
public sealed class QueryTests(WireServer wire)
{
    [Fact]
    public async Task Should_return_rows_with_nulls_and_the_command_tag()
    {
        await using PgConnection connection = await wire.OpenAsync();
        PgResult result = await connection.QueryAsync("SELECT n, nullif(n, 2) AS \"odd;name\" FROM generate_series(1, 3) n");

        Assert.Equal("SELECT", result.Command);
        Assert.Equal(3, result.RowCount);
        Assert.Equal(["n", "odd;name"], result.Columns.Select(c => c.Name));
        Assert.Equal(["1", null, "3"], Enumerable.Range(0, 3).Select(i => result.Text(i, 1)));
    }

    [Theory]
    [InlineData("BEGIN", "BEGIN", 0)]
    [InlineData("CREATE TEMP TABLE tag (a int)", "CREATE TABLE", 0)]
    [InlineData("CREATE TEMP TABLE tag (a int); INSERT INTO tag SELECT generate_series(1, 7)", "INSERT", 7)]
    [InlineData("", "", 0)]
    public async Task Should_understand_command_tags(string sql, string command, long rows)
    {
        await using PgConnection connection = await wire.OpenAsync();
        PgResult result = await connection.QueryAsync(sql);
        Assert.Equal((command, rows), (result.Command, result.RowCount));
    }

    [Fact]
    public async Task Should_carry_all_facts_of_an_error_and_stay_usable()
    {
        await using PgConnection connection = await wire.OpenAsync();
        await connection.QueryAsync("CREATE TEMP TABLE parent (id int CONSTRAINT parent_key PRIMARY KEY); INSERT INTO parent VALUES (4711)");

        var error = await Assert.ThrowsAsync<PgServerException>(async () => await connection.QueryAsync("INSERT INTO parent VALUES (4711)"));

        Assert.Equal(("23505", "ERROR", "parent", "parent_key"), (error.SqlState, error.Error.Severity, error.Error.TableName, error.Error.ConstraintName));
        Assert.Contains("4711", error.Error.Detail);
        Assert.DoesNotContain("4711", error.ToString());
        Assert.False(connection.IsBroken);
        Assert.Equal("1", (await connection.QueryAsync("SELECT 1")).Text(0, 0));
    }

    [Fact]
    public async Task Should_follow_the_transactions_state()
    {
        await using PgConnection connection = await wire.OpenAsync();
        Assert.Equal(PgTransactionStatus.Idle, connection.TransactionStatus);
        await connection.QueryAsync("BEGIN");
        Assert.Equal(PgTransactionStatus.InTransaction, connection.TransactionStatus);
        await Assert.ThrowsAsync<PgServerException>(async () => await connection.QueryAsync("SELECT 1/0"));
        Assert.Equal(PgTransactionStatus.Failed, connection.TransactionStatus);
        Assert.Equal("ROLLBACK", (await connection.QueryAsync("COMMIT")).Command);
    }

    [Fact]
    public async Task Should_hand_notices_to_the_callback()
    {
        var notices = new List<PgServerMessage>();
        await using PgConnection connection = await wire.OpenAsync(new PgConnectOptions { OnNotice = notices.Add });
        await connection.QueryAsync("DO $$ BEGIN RAISE WARNING 'careful' USING HINT = 'slow'; END $$");
        PgServerMessage notice = Assert.Single(notices);
        Assert.Equal(("WARNING", "careful", "slow"), (notice.Severity, notice.Text, notice.Hint));
    }

    [Fact]
    public async Task Should_read_a_result_larger_than_every_buffer()
    {
        await using PgConnection connection = await wire.OpenAsync(new PgConnectOptions { ReadBufferBytes = 4096, LocalReceiveBufferBytes = 8192 });
        PgResult result = await connection.QueryAsync("SELECT n, repeat(chr(65 + n % 26), n * 100) FROM generate_series(0, 2000) n");
        Assert.Equal(2001, result.Rows.Count);
        for (int n = 0; n <= 2000; n++)
            Assert.Equal(new string((char)(65 + (n % 26)), n * 100), result.Text(n, 1));
        Assert.Equal(20_000_000, (await connection.QueryAsync("SELECT repeat('x', 20000000)")).Rows[0][0]!.Length);
        Assert.Equal("1", (await connection.QueryAsync("SELECT 1")).Text(0, 0));
    }

    [Fact]
    public async Task Should_cancel_a_statement_and_go_on()
    {
        await using PgConnection connection = await wire.OpenAsync();
        Task<PgResult> sleeping = connection.QueryAsync("SELECT pg_sleep(600)").AsTask();
        await BusyAsync(connection);

        await connection.CancelAsync();

        var error = await Assert.ThrowsAsync<PgServerException>(() => sleeping);
        Assert.Equal("57014", error.SqlState);
        Assert.Equal("1", (await connection.QueryAsync("SELECT 1")).Text(0, 0));
    }

    [Fact]
    public async Task Should_cancel_at_the_server_too_when_the_caller_cancels()
    {
        await using PgConnection connection = await wire.OpenAsync();
        using var stop = new CancellationTokenSource();
        Task<PgResult> sleeping = connection.QueryAsync("SELECT pg_sleep(600)", stop.Token).AsTask();
        await BusyAsync(connection);

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sleeping);
        Assert.True(connection.IsBroken);
        await Assert.ThrowsAsync<PgConnectionException>(async () => await connection.QueryAsync("SELECT 1"));
        await Wait.UntilAsync(
            async () => await wire.Server.ScalarAsync<long>($"SELECT count(*) FROM pg_stat_activity WHERE pid = {connection.ProcessId}") == 0,
            "the backend to end");
    }

    Task BusyAsync(PgConnection connection) => Wait.UntilAsync(
        async () => await wire.Server.ScalarAsync<long>(
            $"SELECT count(*) FROM pg_stat_activity WHERE pid = {connection.ProcessId} AND wait_event = 'PgSleep'") == 1,
        "the statement to run");

    [Fact]
    public async Task Should_refuse_two_operations_at_once()
    {
        await using PgConnection connection = await wire.OpenAsync();
        Task<PgResult> sleeping = connection.QueryAsync("SELECT pg_sleep(600)").AsTask();
        await BusyAsync(connection);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await connection.QueryAsync("SELECT 1"));
        await connection.CancelAsync();
        await Assert.ThrowsAsync<PgServerException>(() => sleeping);
    }

    [Fact]
    public async Task Should_report_a_terminated_backend_with_the_servers_reason()
    {
        await using PgConnection connection = await wire.OpenAsync();
        Task<PgResult> sleeping = connection.QueryAsync("SELECT pg_sleep(600)").AsTask();
        await BusyAsync(connection);
        await wire.Server.KillBackendsAsync($"pid = {connection.ProcessId}");
        var error = await Assert.ThrowsAsync<PgServerException>(() => sleeping);
        Assert.Equal("57P01", error.SqlState);
        Assert.True(connection.IsBroken);
    }

    [Fact]
    public async Task Should_report_a_crash_of_the_server()
    {
        await using PostgresServer server = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "wire-crash" });
        await using PgConnection connection = await PgConnection.OpenAsync(
            new PgEndpoint { Host = server.Host, Port = server.Port, Database = "postgres", User = "postgres" });
        Task<PgResult> sleeping = connection.QueryAsync("SELECT pg_sleep(600)").AsTask();
        await Wait.UntilAsync(
            async () => await server.ScalarAsync<long>("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == 1, "the statement to run");

        await server.CrashAsync();

        // The backend may or may not find the time to say goodbye (57P02) before it ends.
        PgException error = await Assert.ThrowsAnyAsync<PgException>(() => sleeping);
        Assert.True(error is PgConnectionException or PgServerException { SqlState: "57P02" or "57P01" }, error.ToString());
        Assert.True(connection.IsBroken);
        await Assert.ThrowsAsync<PgConnectionException>(async () => await PgConnection.OpenAsync(connection.Endpoint));
    }

    [Fact]
    public async Task Should_refuse_a_copy_as_a_query()
    {
        await using PgConnection connection = await wire.OpenAsync();
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await connection.QueryAsync("COPY (SELECT 1) TO STDOUT"));
        Assert.True(connection.IsBroken);
    }
}
