using Rosetta.Bench.Peers;
using Rosetta.Bench.Reports;
using Rosetta.Bench.Stage;
using Rosetta.Bench.Workloads;
using Rosetta.Testing.Waiting;

namespace Rosetta.Bench.Throughput;

/// <summary>
/// Drains: while both peers are stopped the source gets a backlog that both their slots hold; then each is started alone and drains it, in alternating
/// order.
/// </summary>
static class ThroughputBench
{
    public static async Task<string> RunAsync(BenchOptions options, Journal journal, CancellationToken cancellationToken)
    {
        var stock = options.Scaled(1_000_000, 1_000);
        await using var databases = await BenchDatabases.StartAsync(targets: 1, cancellationToken);
        await BenchTables.CreateAsync(databases, stock, cancellationToken);
        await using var node = await BenchNode.StartAsync(databases.ConfigConnection);
        var peers = await PeersAsync(databases, node, options, journal, cancellationToken);

        var report = new ThroughputReport("native");
        long changes = 0;
        Workload[] workloads = [Workload.Inserts(options), Workload.Updates(options, stock), Workload.SmallTransactions(options, stock)];
        foreach (var workload in workloads.Where(w => options.Wants(w.Name)))
        {
            for (var round = 0; round < options.Rounds; round++)
            {
                await VacuumAsync(databases, cancellationToken);
                await workload.FillAsync(databases, changes, cancellationToken);
                journal.Say($"{workload.Name}: round {round + 1}, backlog made");
                var drains = new List<Drain>();
                foreach (var peer in round % 2 == 0 ? peers : peers.Reverse())
                {
                    drains.Add(await Drain.RunAsync(databases, peer, changes, changes + workload.Changes, cancellationToken));
                    journal.Say(drains[^1].ToString());
                }

                report.Add(workload, drains);
                changes += workload.Changes;
            }
        }

        foreach (var peer in peers)
            await Equality.RequireAsync(databases, peer.Database, cancellationToken);
        journal.Say("every table of both targets has the same rows as the source");
        return report.ToString();
    }

    /// <summary>Both of them, with everything copied, stopped.</summary>
    public static async Task<IReadOnlyList<IPeer>> PeersAsync(
        BenchDatabases databases, BenchNode node, BenchOptions options, Journal journal, CancellationToken cancellationToken)
    {
        var rosetta = await RosettaPeer.CreateAsync(databases, node, cancellationToken);
        await rosetta.StartAsync(cancellationToken);
        await rosetta.Pipeline.WaitUntilAppliedAsync((await databases.SourceWalEndAsync(cancellationToken))!, cancellationToken);
        await rosetta.StopAsync(cancellationToken);
        var native = await NativePeer.CreateAsync(databases, BenchTables.CreateSql, options.NativeBinary, cancellationToken);
        await Wait.UntilAsync(
            () => databases.Targets[0].ScalarAsync<bool>(
                "SELECT count(*) > 0 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel", native.Database, cancellationToken),
            "the subscription to have copied its tables", TimeSpan.FromMinutes(10), cancellationToken);
        await native.StopAsync(cancellationToken);
        journal.Say("both peers have copied what the source had, and are stopped");
        return [rosetta, native];
    }

    static async Task VacuumAsync(BenchDatabases databases, CancellationToken cancellationToken)
    {
        await databases.ExecuteAtSourceAsync("VACUUM ANALYZE", cancellationToken);
        foreach (var database in (string[])[BenchDatabases.RosettaDatabase, BenchDatabases.NativeDatabase])
            await databases.Targets[0].ExecuteAsync("VACUUM ANALYZE", database, cancellationToken);
    }
}
