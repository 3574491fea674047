using System.CommandLine;
using Rosetta.Bench.Latency;
using Rosetta.Bench.Memory;
using Rosetta.Bench.Parking;
using Rosetta.Bench.Reports;
using Rosetta.Bench.Snapshot;
using Rosetta.Bench.Spilling;
using Rosetta.Bench.Throughput;
using Rosetta.Bench.Transforms;

namespace Rosetta.Bench;

/// <summary>The options, and which measurements they start.</summary>
static class BenchCommand
{
    const double QuickScale = 0.1;
    const int FullRounds = 3;

    const string All = "all";

    static readonly (string Name, Func<BenchOptions, Journal, CancellationToken, Task<string>> Run)[] Benches =
    [
        ("throughput", ThroughputBench.RunAsync), ("latency", LatencyBench.RunAsync), ("memory", MemoryBench.RunAsync), ("snapshot", SnapshotBench.RunAsync),
        ("backfill", BackfillBench.RunAsync), ("transforms", TransformBench.RunAsync), ("spill", SpillBench.RunAsync), ("spill-store", SpillStoreBench.RunAsync),
        ("parking", ParkingBench.RunAsync),
    ];

    static readonly string[] Parts = [.. Benches.Select(b => b.Name), All];

    public static RootCommand Create()
    {
        var part = new Argument<string>("part") { Description = string.Join(", ", Parts) };
        part.AcceptOnlyFromAmong(Parts);
        var quick = new Option<bool>("--quick") { Description = "A tenth of the sizes, one round, short times" };
        var scale = new Option<double?>("--scale") { Description = "Share of the full sizes, e.g. 0.5" };
        var rounds = new Option<int?>("--rounds") { Description = $"Rounds of each throughput workload, the median is shown (default {FullRounds})" };
        var binary = new Option<bool>("--native-binary") { Description = "Make the native subscription with binary = true" };
        var only = new Option<string?>("--only") { Description = "Only workloads or memory phases whose name contains this" };
        scale.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<double?>() is <= 0 or > 10)
                r.AddError("--scale must be above 0 and at most 10");
        });
        rounds.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<int?>() is < 1 or > 99)
                r.AddError("--rounds must be between 1 and 99");
        });
        var root = new RootCommand("Measures Rosetta beside a native subscription on private PostgreSQL servers, which are removed at the end.")
        {
            part, quick, scale, rounds, binary, only
        };
        root.SetAction((result, cancellationToken) =>
        {
            var isQuick = result.GetValue(quick);
            var options = new BenchOptions(
                result.GetValue(scale) ?? (isQuick ? QuickScale : 1), result.GetValue(rounds) ?? (isQuick ? 1 : FullRounds), result.GetValue(binary),
                result.GetValue(only));
            return RunAsync(result.GetValue(part)!, options, cancellationToken);
        });
        return root;
    }

    static async Task<int> RunAsync(string part, BenchOptions options, CancellationToken cancellationToken)
    {
        var journal = new Journal();
        var tables = new List<string>();
        journal.Say(Machine.Describe());
        try
        {
            foreach (var (name, run) in Benches)
            {
                if (part == name || part == All)
                    tables.Add(await run(options, journal, cancellationToken));
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            journal.Say("cancelled; servers and node are stopped and removed");
            return 1;
        }

        Console.WriteLine();
        Console.WriteLine(Machine.Describe());
        foreach (var table in tables)
        {
            Console.WriteLine();
            Console.Write(table);
        }

        return 0;
    }
}
