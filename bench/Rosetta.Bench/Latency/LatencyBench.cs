using Rosetta.Bench.Reports;
using Rosetta.Bench.Stage;
using Rosetta.Bench.Throughput;
using Rosetta.Bench.Workloads;

namespace Rosetta.Bench.Latency;

/// <summary>Single-row transactions at a steady rate, both peers at the same time: how long after the commit at the source a row is visible at the target.</summary>
static class LatencyBench
{
    const int PerSecond = 100;
    const int FullSeconds = 60;
    const int LeastSeconds = 10;

    public static async Task<string> RunAsync(BenchOptions options, Journal journal, CancellationToken cancellationToken)
    {
        await using var databases = await BenchDatabases.StartAsync(targets: 1, cancellationToken);
        await BenchTables.CreateAsync(databases, stock: 1_000, cancellationToken);
        await using var node = await BenchNode.StartAsync(databases.ConfigConnection);
        var peers = await ThroughputBench.PeersAsync(databases, node, options, journal, cancellationToken);
        foreach (var peer in peers)
            await peer.StartAsync(cancellationToken);

        // Warm: code is compiled, connections and caches are there.
        const int WarmUp = PerSecond * 5;
        var count = WarmUp + (int)Math.Max(LeastSeconds, FullSeconds * options.Scale) * PerSecond;
        var arrivals = peers.Select(p => new Arrivals(p, count)).ToList();
        var watching = Task.WhenAll(arrivals.Select(a => a.WatchAsync(databases, cancellationToken)));
        var ticks = new TickWriter(PerSecond, count);
        await ticks.RunAsync(databases, cancellationToken, cancellationToken);
        await watching.WaitAsync(TimeSpan.FromMinutes(2), cancellationToken);
        journal.Say($"{count} transactions written and seen at both targets");

        var table = new MarkdownTable("peer", "p50 ms", "p90 ms", "p99 ms", "longest ms");
        foreach (var arrival in arrivals)
        {
            var sorted = arrival.Latencies(ticks.Committed, WarmUp);
            table.Add(
                arrival.Peer.Name, Figures.Text(Figures.Percentile(sorted, 50), 1), Figures.Text(Figures.Percentile(sorted, 90), 1),
                Figures.Text(Figures.Percentile(sorted, 99), 1), Figures.Text(sorted[^1], 1));
        }

        return table.ToString();
    }
}
