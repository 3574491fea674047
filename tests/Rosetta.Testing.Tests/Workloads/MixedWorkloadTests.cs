using Rosetta.Testing.Equality;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Tests.Servers;
using Rosetta.Testing.Waiting;
using Rosetta.Testing.Workloads;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.Testing.Tests.Workloads;

public sealed class MixedWorkloadTests(TwoServers servers, ITestOutputHelper output) : IClassFixture<TwoServers>
{
    MixedWorkloadOptions Options(string connectionString) => new()
    {
        ConnectionString = connectionString,
        ChangesPerSecond = null,
        Rows = 100,
        Log = output.WriteLine
    };

    [Fact]
    public async Task Should_leave_the_same_content_for_the_same_seed_and_another_for_another()
    {
        var database = await servers.CreateDatabaseAsync();
        var source = servers.Source.ConnectionString(database);
        var destination = servers.Destination.ConnectionString(database);
        var options = Options(source) with { Truncate = true, LargeTransactionRows = 500, LargeTransactionEvery = 100 };
        await using var first = await MixedWorkload.CreateAsync(options);
        await using var second = await MixedWorkload.CreateAsync(options with { ConnectionString = destination, Seed = first.Seed });
        Assert.True((await DatabaseComparison.CompareAsync(source, destination, first.Tables)).Equal);

        var a = await first.RunAsync(600);
        var b = await second.RunAsync(600);
        Assert.Equal(a, b);
        Assert.True(a.Changes > 600);
        var result = await DatabaseComparison.CompareAsync(source, destination, first.Tables);
        Assert.True(result.Equal, $"seed {first.Seed}: {result}");

        await first.RunAsync(50);
        await using var other = MixedWorkload.Attach(options with { ConnectionString = destination, Seed = first.Seed + 1 });
        await other.RunAsync(50);
        Assert.False((await DatabaseComparison.CompareAsync(source, destination, first.Tables)).Equal);
    }

    [Fact]
    public async Task Should_touch_every_table_and_keep_its_invariants()
    {
        var database = await servers.CreateDatabaseAsync();
        await using var workload = await MixedWorkload.CreateAsync(Options(servers.Source.ConnectionString(database)) with { Writers = 3 });
        var counts = await workload.RunAsync(500);
        Assert.Equal(1_500, counts.Transactions + counts.Aborted);
        Assert.Equal(0, counts.Unknown);
        Assert.Equal(MixedWorkload.AccountsTotal, await servers.Source.ScalarAsync<long>("SELECT sum(balance)::bigint FROM shop.accounts", database));
        Assert.Equal(counts.CounterIncrements, await servers.Source.ScalarAsync<long>("SELECT sum(value)::bigint FROM shop.counters", database));
        Assert.Equal(60, await servers.Source.ScalarAsync<long>("SELECT count(*) FROM pg_attribute WHERE attrelid = 'shop.wide'::regclass AND attnum > 0", database));

        // Statistics reach the views some time after the commit.
        await Wait.UntilAsync(
            async () => (await servers.Source.RowsAsync(
                "SELECT relname FROM pg_stat_user_tables WHERE schemaname = 'shop' AND n_tup_upd = 0 "
                    + "OR schemaname = 'shop' AND relname NOT IN ('counters', 'accounts') AND (n_tup_del = 0 OR n_tup_ins = 0)",
                database)).Count == 0,
            $"changes of every kind in every table, seed {workload.Seed}");
    }

    [Fact]
    public async Task Should_write_to_the_chosen_tables_only()
    {
        var database = await servers.CreateDatabaseAsync();
        await using var workload = await MixedWorkload.CreateAsync(Options(servers.Source.ConnectionString(database)) with
        {
            Schema = "Just \"two\"",
            Tables = [WorkloadTables.Counters, WorkloadTables.Odd]
        });
        await workload.RunAsync(100);
        Assert.Equal(2, workload.Tables.Count);
        var tables = await TablePair.AllAsync(servers.Source.ConnectionString(database));
        Assert.Equal(workload.Tables.Order(Comparer<TablePair>.Create((a, b) => string.CompareOrdinal(a.SourceTable, b.SourceTable))), tables);
        Assert.Throws<ArgumentException>(() => MixedWorkload.Attach(Options("") with { Tables = ["nonsense"] }));
    }

    [Fact]
    public async Task Should_hold_the_wanted_rate()
    {
        var database = await servers.CreateDatabaseAsync();
        await using var workload = await MixedWorkload.CreateAsync(
            Options(servers.Source.ConnectionString(database)) with { ChangesPerSecond = 100 });
        workload.Start();
        await workload.WaitForChangesAsync(100);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        await workload.WaitForChangesAsync(300);
        // Never above the rate, but for what one transaction may overshoot and a second's debt; a slow machine may stay below.
        Assert.True(watch.Elapsed.TotalSeconds > 1, $"300 changes took {watch.Elapsed}");
        workload.ChangesPerSecond = null;
        var counts = await workload.StopAsync();
        output.WriteLine(counts.ToString());
    }

    [Fact]
    public async Task Should_live_through_crashes_and_killed_backends_and_know_what_it_committed()
    {
        await using var server = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "unstable", Log = output.WriteLine });
        await using var workload = await MixedWorkload.CreateAsync(Options(server.ConnectionString()) with { Writers = 2, ChangesPerSecond = 500 });
        workload.Start();
        await workload.WaitForChangesAsync(200);
        await server.CrashAsync();
        await server.StartAsync();
        await workload.WaitForChangesAsync(200);
        await server.KillBackendsAsync("application_name = 'workload'");
        await workload.WaitForChangesAsync(200);
        var counts = await workload.StopAsync();
        Assert.True(counts.Reconnects >= 4, counts.ToString());
        var sum = await server.ScalarAsync<long>("SELECT sum(value)::bigint FROM shop.counters");
        Assert.InRange(sum, counts.CounterIncrements, counts.CounterIncrements + counts.UnknownCounterIncrements);
        Assert.Equal(MixedWorkload.AccountsTotal, await server.ScalarAsync<long>("SELECT sum(balance)::bigint FROM shop.accounts"));
    }

    [Fact]
    public async Task Should_report_a_failure_that_no_outage_explains()
    {
        var database = await servers.CreateDatabaseAsync();
        await using var workload = await MixedWorkload.CreateAsync(Options(servers.Source.ConnectionString(database)) with { Writers = 2 });
        await servers.Source.ExecuteAsync("DROP TABLE shop.counters", database);
        workload.Start();
        var error = await Assert.ThrowsAsync<Npgsql.PostgresException>(() => workload.WaitForChangesAsync(1_000_000));
        Assert.Equal(Npgsql.PostgresErrorCodes.UndefinedTable, error.SqlState);
    }
}
