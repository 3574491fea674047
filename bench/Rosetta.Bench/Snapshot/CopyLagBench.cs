using System.Diagnostics;
using System.Globalization;
using Rosetta.Bench.Latency;
using Rosetta.Bench.Peers;
using Rosetta.Bench.Reports;
using Rosetta.Bench.Stage;
using Rosetta.Bench.Workloads;
using Rosetta.Client.Requests;

namespace Rosetta.Bench.Snapshot;

/// <summary>How late the changes of another table arrive while a large one is copied at full speed: to the same destination, and to a second one.</summary>
static class CopyLagBench
{
    public const string Name = "lag";
    const string Table = "large";
    const string First = "first";
    const string Second = "second";
    const int PerSecond = 100;
    const int QuietSeconds = 20;
    const int MostSeconds = 600;

    public static async Task<string> RunAsync(BenchOptions options, Journal journal, CancellationToken cancellationToken)
    {
        var rows = options.Scaled(5_000_000, 10_000).ToString(CultureInfo.InvariantCulture);
        await using var databases = await BenchDatabases.StartAsync(targets: 1, cancellationToken);
        // Before there is a slot: the stream is not to be busy with these rows.
        await databases.ExecuteAtSourceAsync(
            $"CREATE TABLE ticks (id bigint PRIMARY KEY, note text); {BenchTables.MixedSql(Table)}; INSERT INTO {Table} {BenchTables.MixedRows("1::bigint", rows)}", cancellationToken);
        await databases.ExecuteAtSourceAsync($"VACUUM ANALYZE {Table}", cancellationToken);
        await using var node = await BenchNode.StartAsync(databases.ConfigConnection);
        var peer = await RosettaPeer.CreateAsync(databases, node, "Rosetta", First, [new TableSync("ticks")], cancellationToken);
        await peer.StartAsync(cancellationToken);
        var copier = new Copier(databases, BenchDatabases.SourceDatabase, BenchTables.MixedSql(Table), 2);
        await copier.ComesAsync(First, 1, cancellationToken);

        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var ticks = new TickWriter(PerSecond, PerSecond * MostSeconds);
        var arrivals = new Arrivals(peer, PerSecond * MostSeconds);
        var writing = ticks.RunAsync(databases, enough.Token, cancellationToken);
        var watching = arrivals.WatchAsync(databases, () => writing.IsCompleted ? ticks.Written : int.MaxValue, cancellationToken);
        var phases = new List<(string Name, int From, int To, double Seconds)>();

        await Task.Delay(TimeSpan.FromSeconds(5), cancellationToken);
        await PhaseAsync("no copy", () => Task.Delay(TimeSpan.FromSeconds(QuietSeconds), cancellationToken));
        await PhaseAsync($"a table of {rows} rows is added to the same destination, beside the stream", async () =>
        {
            await peer.Pipeline.ReplaceTablesAsync([new TableSync("ticks"), new TableSync(Table)], cancellationToken);
            await copier.HasAsync(First, 2, cancellationToken);
        });
        await databases.Targets[0].CreateDatabaseAsync(Second, cancellationToken);
        await PhaseAsync("the same table is copied to a second destination for the first time", async () =>
        {
            await peer.Pipeline.AttachAsync(databases.Targets[0], Second, cancellationToken);
            await copier.ComesAsync(Second, 2, cancellationToken);
        });
        await enough.CancelAsync();
        await writing;
        await watching.WaitAsync(TimeSpan.FromMinutes(2), cancellationToken);

        var table = new MarkdownTable(
            $"lag of {PerSecond} transactions a second to another table", "took s", "p50 ms", "p99 ms", "longest ms");
        foreach (var (name, from, to, seconds) in phases)
        {
            var sorted = arrivals.Latencies(ticks.Committed, from, to);
            table.Add(
                name, Figures.Text(seconds, 1), Figures.Text(Figures.Percentile(sorted, 50), 1), Figures.Text(Figures.Percentile(sorted, 99), 1), Figures.Text(sorted[^1], 1));
        }

        return table.ToString();

        async Task PhaseAsync(string name, Func<Task> work)
        {
            var (from, watch) = (ticks.Written, Stopwatch.StartNew());
            await work();
            phases.Add((name, from, ticks.Written, watch.Elapsed.TotalSeconds));
            journal.Say(string.Create(CultureInfo.InvariantCulture, $"{name}: {watch.Elapsed.TotalSeconds:0.0} s"));
        }
    }
}
