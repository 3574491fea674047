using Rosetta.Bench.Reports;
using Rosetta.Bench.Stage;
using Rosetta.Bench.Workloads;

namespace Rosetta.Bench.Memory;

/// <summary>The node's resident memory: idle, after many small transactions, during a large one, with a destination down. Two destinations.</summary>
static class MemoryBench
{
    public static async Task<string> RunAsync(BenchOptions options, Journal journal, CancellationToken cancellationToken)
    {
        var accounts = options.Scaled(1_000_000, 1_000);
        await using var databases = await BenchDatabases.StartAsync(targets: 2, cancellationToken);
        await BenchTables.CreateAsync(databases, accounts, cancellationToken);
        await using var node = await BenchNode.StartAsync(databases.ConfigConnection);
        var table = new MarkdownTable("phase", "node RSS peak MB", "node RSS at the end MB", "seen");
        Report("node started, no pipeline", "");

        var pipeline = await BenchPipeline.CreateAsync(node.Api, databases.Source, databases.Targets, cancellationToken);
        await pipeline.StartAsync(cancellationToken);
        await CaughtUpAsync();
        Report("initial copy to two destinations", $"{accounts:N0} rows of stock and of accounts");

        await Task.Delay(TimeSpan.FromSeconds(10), cancellationToken);
        Report("idle pipeline, 10 s", "");

        var small = Workload.SmallTransactions(options, accounts, full: 1_000_000);
        if (options.Wants(small.Name))
        {
            await small.FillAsync(databases, 0, cancellationToken);
            await CaughtUpAsync();
            Report(small.Name, "while written and until applied at both");
        }

        if (options.Wants("one transaction"))
            await LargeAsync();
        if (options.Wants("down"))
        {
            var outage = new Outage(databases, pipeline, node, journal);
            var seen = await outage.RunAsync(TimeSpan.FromSeconds(Math.Max(60, 300 * options.Scale)), cancellationToken);
            Report("one destination down", seen);
        }

        return table.ToString();

        async Task LargeAsync()
        {
            var rows = options.Scaled(2_000_000, 1_000);
            var large = new LargeTransaction(databases, rows);
            var seen = await large.RunAsync(cancellationToken);
            await CaughtUpAsync();
            Report($"one transaction of {rows:N0} rows", seen);
        }

        async Task CaughtUpAsync() =>
            await pipeline.WaitUntilAppliedAsync((await databases.SourceWalEndAsync(cancellationToken))!, cancellationToken);

        void Report(string phase, string seen)
        {
            var (peak, now) = (node.PeakResidentBytes, node.ResidentBytes);
            table.Add(phase, Figures.Megabytes(peak), Figures.Megabytes(now), seen);
            journal.Say($"{phase}: peak {Figures.Megabytes(peak)} MB, now {Figures.Megabytes(now)} MB; {seen}");
            node.ForgetPeak();
        }
    }
}
