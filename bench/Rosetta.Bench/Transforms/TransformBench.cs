using Rosetta.Bench.Peers;
using Rosetta.Bench.Reports;
using Rosetta.Bench.Stage;
using Rosetta.Bench.Throughput;
using Rosetta.Bench.Workloads;
using Rosetta.Client.Requests;

namespace Rosetta.Bench.Transforms;

/// <summary>
/// What a transform costs the stream: three pipelines from one source into databases of their own, one without a transform, one whose SQL only passes columns
/// through, one with a filter and two computed columns. Each in turn drains the same backlog, alone.
/// </summary>
static class TransformBench
{
    const string Plain = "as it is";
    const string Filter = "kind <> 3";

    static readonly string[] Tables = ["items", "stock"];

    public static async Task<string> RunAsync(BenchOptions options, Journal journal, CancellationToken cancellationToken)
    {
        var stock = options.Scaled(1_000_000, 1_000);
        await using var databases = await BenchDatabases.StartAsync(targets: 1, cancellationToken);
        await BenchTables.CreateAsync(databases, stock, cancellationToken);
        await using var node = await BenchNode.StartAsync(databases.ConfigConnection);
        RosettaPeer[] peers =
        [
            await PeerAsync(Plain, "plain", null, null),
            await PeerAsync("columns passed through", "passed", null, "SELECT id, sku, name AS title, price, quantity, ratio, active, created, day, kind, note FROM "),
            await PeerAsync("filter and two computed columns", "computed", Filter, "SELECT *, upper(name) AS loud, price * quantity AS total FROM "),
        ];
        foreach (var peer in peers)
        {
            await peer.StartAsync(cancellationToken);
            await peer.Pipeline.WaitUntilAppliedAsync((await databases.SourceWalEndAsync(cancellationToken))!, cancellationToken);
            await peer.StopAsync(cancellationToken);
        }

        var report = new ThroughputReport(Plain);
        long changes = 0;
        Workload[] workloads = [Workload.Inserts(options), Workload.Updates(options, stock)];
        foreach (var workload in workloads.Where(w => options.Wants(w.Name)))
        {
            for (var round = 0; round < options.Rounds; round++)
            {
                await databases.ExecuteAtSourceAsync("VACUUM ANALYZE", cancellationToken);
                foreach (var peer in peers)
                    await databases.Targets[0].ExecuteAsync("VACUUM ANALYZE", peer.Database, cancellationToken);
                await workload.FillAsync(databases, changes, cancellationToken);
                journal.Say($"{workload.Name}: round {round + 1}, backlog made");
                var drains = new List<Drain>();
                for (var i = 0; i < peers.Length; i++)
                {
                    drains.Add(await Drain.RunAsync(databases, peers[(i + round) % peers.Length], changes, changes + workload.Changes, cancellationToken));
                    journal.Say(drains[^1].ToString());
                }

                report.Add(workload, drains);
                changes += workload.Changes;
            }
        }

        await RequireRowsAsync(databases, peers, cancellationToken);
        journal.Say("every table of the three has the rows it is to have");
        return report.ToString();

        Task<RosettaPeer> PeerAsync(string name, string database, string? filter, string? select) => RosettaPeer.CreateAsync(
            databases, node, name, database,
            [new TableSync("public.progress"), .. Tables.Select(t => new TableSync($"public.{t}", FilterSql: filter, CustomSql: select is null ? null : select + t))],
            cancellationToken);
    }

    /// <exception cref="InvalidOperationException">A table is not what its transform makes of the source's: the figures are worth nothing.</exception>
    static async Task RequireRowsAsync(BenchDatabases databases, RosettaPeer[] peers, CancellationToken cancellationToken)
    {
        (string Expected, string Found)[] sums =
        [
            ("t", "t"),
            ("t", "t"),
            ("ROW(t.*, upper(name), price * quantity)", "t"),
        ];
        foreach (var table in Tables)
        {
            for (var i = 0; i < peers.Length; i++)
            {
                var expected = await databases.Source.ScalarAsync<string>(
                    $"SELECT count(*) || ', ' || sum(hash_record_extended({sums[i].Expected}, 0)) FROM {table} t WHERE {(i == 2 ? Filter : "true")}", BenchDatabases.SourceDatabase, cancellationToken);
                var found = await databases.Targets[0].ScalarAsync<string>(
                    $"SELECT count(*) || ', ' || sum(hash_record_extended({sums[i].Found}, 0)) FROM {table} t", peers[i].Database, cancellationToken);
                if (found != expected)
                    throw new InvalidOperationException($"{table} of {peers[i].Database} has {found} instead of {expected} (rows, hash).");
            }
        }
    }
}
