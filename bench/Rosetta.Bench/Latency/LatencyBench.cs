using System.Diagnostics;
using Npgsql;
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
        var committed = await WriteAsync(databases, count, cancellationToken);
        await watching.WaitAsync(TimeSpan.FromMinutes(2), cancellationToken);
        journal.Say($"{count} transactions written and seen at both targets");

        var table = new MarkdownTable("peer", "p50 ms", "p90 ms", "p99 ms", "longest ms");
        foreach (var arrival in arrivals)
        {
            var sorted = arrival.Latencies(committed, WarmUp);
            table.Add(
                arrival.Peer.Name, Figures.Text(Figures.Percentile(sorted, 50), 1), Figures.Text(Figures.Percentile(sorted, 90), 1),
                Figures.Text(Figures.Percentile(sorted, 99), 1), Figures.Text(sorted[^1], 1));
        }

        return table.ToString();
    }

    /// <summary>When the source had answered the COMMIT of each row.</summary>
    static async Task<long[]> WriteAsync(BenchDatabases databases, int count, CancellationToken cancellationToken)
    {
        var committed = new long[count + 1];
        await using var writer = await BenchDatabases.WatchAsync(databases.Source, BenchDatabases.SourceDatabase, cancellationToken);
        await using var insert = new NpgsqlCommand("INSERT INTO ticks VALUES ($1, 'tick')", writer);
        var id = new NpgsqlParameter<long>();
        insert.Parameters.Add(id);
        await insert.PrepareAsync(cancellationToken);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(1000.0 / PerSecond));
        var start = Stopwatch.GetTimestamp();
        for (var n = 1; n <= count; n++)
        {
            // A late tick is made up for: the rate is kept.
            if (Stopwatch.GetElapsedTime(start).TotalSeconds * PerSecond < n)
                await timer.WaitForNextTickAsync(cancellationToken);
            id.TypedValue = n;
            await insert.ExecuteNonQueryAsync(cancellationToken);
            committed[n] = Stopwatch.GetTimestamp();
        }

        return committed;
    }
}
