using Npgsql;
using Rosetta.Testing.Equality;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Tests.Servers;
using Rosetta.Testing.Waiting;
using Rosetta.Testing.Workloads;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.Testing.Tests.Workloads;

public sealed class WatcherTests(TwoServers servers, ITestOutputHelper output) : IClassFixture<TwoServers>
{
    static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(5);

    [Fact]
    public async Task Should_see_no_violation_and_an_equal_end_under_native_replication()
    {
        var database = await servers.CreateDatabaseAsync();
        var source = servers.Source.ConnectionString(database);
        var destination = servers.Destination.ConnectionString(database);
        var options = new MixedWorkloadOptions
        {
            ConnectionString = source, Rows = 100, ChangesPerSecond = 1_000, Writers = 2, Truncate = true, Log = output.WriteLine
        };
        await using var workload = await MixedWorkload.CreateAsync(options);
        await WorkloadSchema.CreateAsync(options with { ConnectionString = destination });
        await servers.Source.ExecuteAsync("CREATE PUBLICATION p FOR ALL TABLES", database);
        await servers.Source.ScalarAsync<string>("SELECT pg_create_logical_replication_slot('native', 'pgoutput')::text", database);
        await servers.Destination.ExecuteAsync(
            $"CREATE SUBSCRIPTION s CONNECTION '{Libpq(servers.Source, database)}' PUBLICATION p WITH (create_slot = false, slot_name = native)",
            database);

        await using var invariants = InvariantWatcher.Start(
            new InvariantWatcherOptions { ConnectionString = destination, Interval = Interval, Log = output.WriteLine });
        await using var slot = SlotWatcher.Start(source, "native", Interval, output.WriteLine);
        workload.Start();
        await workload.WaitForChangesAsync(1_500, TimeSpan.FromSeconds(120));
        await workload.StopAsync();
        await DatabaseComparison.WaitForEqualityAsync(source, destination, workload.Tables, TimeSpan.FromSeconds(120));

        var report = await invariants.StopAsync();
        Assert.True(report.ViolationCount == 0, report.ToString());
        Assert.True(invariants.SumsSeen > 10, report.ToString());
        Assert.Equal(0, (await slot.StopAsync()).ViolationCount);
        Assert.True(slot.HighestConfirmed > 0);
        await servers.Destination.ExecuteAsync("DROP SUBSCRIPTION s", database);
    }

    [Fact]
    public async Task Should_report_a_torn_transfer_and_a_counter_that_went_back()
    {
        var database = await servers.CreateDatabaseAsync();
        var options = new MixedWorkloadOptions { ConnectionString = servers.Destination.ConnectionString(database) };
        await using var watcher = InvariantWatcher.Start(
            new InvariantWatcherOptions { ConnectionString = options.ConnectionString, Interval = Interval });
        await Wait.UntilAsync(() => watcher.Report.Unavailable > 0, "a look before the tables exist");
        await WorkloadSchema.CreateAsync(options);
        await Wait.UntilAsync(() => watcher.Report.Polls > 0, "a look at empty tables");
        await servers.Destination.ExecuteAsync(
            "INSERT INTO shop.accounts SELECT i, '', 1000 FROM generate_series(1, 100) i; INSERT INTO shop.counters VALUES (1, 5)", database);
        await Wait.UntilAsync(() => watcher.SumsSeen > 0, "a look at the rows");
        Assert.Equal(0, watcher.Report.ViolationCount);
        await servers.Destination.ExecuteAsync("UPDATE shop.accounts SET balance = balance - 1 WHERE id = 7", database);
        await Wait.UntilAsync(() => watcher.Report.Violations.Any(v => v.Contains("99999 instead of 100000", StringComparison.Ordinal)), "the sum");
        await servers.Destination.ExecuteAsync("UPDATE shop.counters SET value = 4", database);
        await Wait.UntilAsync(() => watcher.Report.Violations.Any(v => v.Contains("counter 1 went back from 5 to 4", StringComparison.Ordinal)), "the counter");
    }

    [Fact]
    public async Task Should_report_a_session_that_waits_for_one_of_ours_and_the_age_of_our_transactions()
    {
        var database = await servers.CreateDatabaseAsync();
        var source = servers.Source.ConnectionString(database);
        await servers.Source.ExecuteAsync("CREATE TABLE taken (id int); CREATE TABLE read (id int)", database);
        await using var ours = new NpgsqlConnection(source + ";Application Name=rosetta/12345678/p1/e1/copy;Pooling=false");
        await ours.OpenAsync();
        await using var watcher = SourceWatcher.Start(source, Interval);
        await ExecuteAsync("BEGIN; SELECT FROM read; LOCK TABLE taken IN SHARE MODE");
        var truncate = servers.Source.ExecuteAsync("TRUNCATE read", database);
        await Wait.UntilAsync(() => watcher.LongestExclusiveWait > TimeSpan.FromMilliseconds(50), "the TRUNCATE that waits");
        Assert.Equal(0, watcher.Report.ViolationCount);
        var insert = servers.Source.ExecuteAsync("INSERT INTO taken VALUES (1)", database);
        await Wait.UntilAsync(() => watcher.Report.Violations.Any(v => v.Contains("INSERT INTO taken", StringComparison.Ordinal)), "the INSERT that waits");
        Assert.True(watcher.OldestTransaction > TimeSpan.FromMilliseconds(50), watcher.Describe());
        await ExecuteAsync("COMMIT");
        await Task.WhenAll(truncate, insert);

        async Task ExecuteAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, ours);
            await command.ExecuteNonQueryAsync();
        }
    }

    [Fact]
    public async Task Should_go_on_after_a_server_was_away_or_frozen()
    {
        await using var server = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "away" });
        var options = new MixedWorkloadOptions { ConnectionString = server.ConnectionString() };
        await WorkloadSchema.CreateAndSeedAsync(options);
        await using var watcher = InvariantWatcher.Start(
            new InvariantWatcherOptions { ConnectionString = options.ConnectionString, Interval = Interval });
        await Wait.UntilAsync(() => watcher.SumsSeen > 0, "a look");
        await server.CrashAsync();
        await Wait.UntilAsync(() => watcher.Report.Unavailable > 0, "a look in vain");
        await server.StartAsync();
        var seen = watcher.SumsSeen;
        await Wait.UntilAsync(() => watcher.SumsSeen > seen, "a look after the crash");
        await server.FreezeAsync();
        var failed = watcher.Report.Unavailable;
        await Wait.UntilAsync(() => watcher.Report.Unavailable > failed, "a look at a frozen server to end");
        await server.ThawAsync();
        seen = watcher.SumsSeen;
        await Wait.UntilAsync(() => watcher.SumsSeen > seen, "a look after the frost");
        Assert.Equal(0, (await watcher.StopAsync()).ViolationCount);
    }

    [Fact]
    public async Task Should_report_a_slot_that_passes_a_destination()
    {
        var database = await servers.CreateDatabaseAsync();
        var source = servers.Source.ConnectionString(database);
        await servers.Source.ExecuteAsync("SELECT pg_create_logical_replication_slot('passing', 'pgoutput')", database);
        await servers.Destination.ExecuteAsync("CREATE TABLE position (lsn pg_lsn)", database);
        await servers.Destination.ExecuteAsync("INSERT INTO position VALUES ('FFFFFFFF/0')", database);
        await using var watcher = SlotWatcher.Start(source, "passing", Interval);
        var unknown = true;
        watcher.Watch("ahead", SlotWatcher.SqlPosition(servers.Destination.ConnectionString(database), "SELECT lsn FROM position"));
        watcher.Watch("behind", _ => Task.FromResult<ulong?>(Volatile.Read(ref unknown) ? null : 1));
        await Wait.UntilAsync(() => watcher.Report.Unavailable > 2, "looks without a position");
        Assert.Equal(0, watcher.Report.ViolationCount);
        Volatile.Write(ref unknown, false);
        await Wait.UntilAsync(() => watcher.Report.ViolationCount > 0, "the violation");
        Assert.Contains("destination behind stands at 0/1", watcher.Report.Violations[0], StringComparison.Ordinal);
        watcher.Release("behind");
        await Wait.UntilAsync(() => watcher.Report.Polls > 0, "a full look");
        var before = watcher.Report;
        await Wait.UntilAsync(() => watcher.Report.Polls > before.Polls + 5, "looks at the rest");
        Assert.Equal(before.ViolationCount, watcher.Report.ViolationCount);
    }

    static string Libpq(PostgresServer server, string database) =>
        $"host={server.Host} port={server.Port} dbname={database} user=postgres";
}
