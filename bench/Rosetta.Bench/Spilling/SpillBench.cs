using System.Diagnostics;
using System.Globalization;
using Rosetta.Bench.Peers;
using Rosetta.Bench.Reports;
using Rosetta.Bench.Stage;
using Rosetta.Bench.Throughput;
using Rosetta.Bench.Workloads;
using Rosetta.Core.Positions;

namespace Rosetta.Bench.Spilling;

/// <summary>
/// The same backlog three times: read and decoded for nothing, written to the spill log of a destination that does not answer, and drained from it, beside the
/// drain of a pipeline whose destination is there.
/// </summary>
static class SpillBench
{
    static readonly TimeSpan Deadline = TimeSpan.FromMinutes(10);

    public static async Task<string> RunAsync(BenchOptions options, Journal journal, CancellationToken cancellationToken)
    {
        var stock = options.Scaled(1_000_000, 1_000);
        await using var databases = await BenchDatabases.StartAsync(targets: 1, cancellationToken);
        await BenchTables.CreateAsync(databases, stock, cancellationToken);
        await using var node = await BenchNode.StartAsync(databases.ConfigConnection, new Dictionary<string, string?> { ["ROSETTA__PIPELINES__SPILLWAL"] = "67108864" });
        var direct = await RosettaPeer.CreateAsync(databases, node, cancellationToken);
        var spilled = await SpillPeer.CreateAsync(databases, node, cancellationToken);
        await direct.StartAsync(cancellationToken);
        await spilled.BeginAsync(cancellationToken);
        foreach (var pipeline in (BenchPipeline[])[direct.Pipeline, spilled.Pipeline])
            await pipeline.WaitUntilAppliedAsync((await databases.SourceWalEndAsync(cancellationToken))!, cancellationToken);
        await direct.StopAsync(cancellationToken);
        await spilled.StopAsync(cancellationToken);

        var table = new MarkdownTable("workload", "decode MB/s", "spill MB/s", "spill / decode", "apply rows/s", "drain rows/s", "drain / apply");
        long changes = 0;
        Workload[] workloads = [Workload.Inserts(options), Workload.Updates(options, stock), Workload.SmallTransactions(options, stock)];
        foreach (var workload in workloads.Where(w => options.Wants(w.Name)))
        {
            var rounds = new List<Round>();
            for (var n = 0; n < options.Rounds; n++)
            {
                var from = Lsn.Parse((await databases.SourceWalEndAsync(cancellationToken))!);
                await workload.FillAsync(databases, changes, cancellationToken);
                var end = Lsn.Parse((await databases.SourceWalEndAsync(cancellationToken))!);
                spilled.Close();
                var decode = await DecodeRate.MeasureAsync(databases, await direct.SlotAsync(cancellationToken), cancellationToken);
                var spill = await SpillAsync(databases, spilled, end, cancellationToken);
                var drain = await Drain.RunAsync(databases, spilled, changes, changes + workload.Changes, cancellationToken);
                var apply = await Drain.RunAsync(databases, direct, changes, changes + workload.Changes, cancellationToken);
                rounds.Add(new Round(end.BytesSince(from) / decode, spill, apply, drain));
                journal.Say(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{workload.Name}: round {n + 1}: spill / decode {rounds[^1].SpillRatio:F2}, drain / apply {rounds[^1].DrainRatio:F2}; {drain}; {apply}"));
                changes += workload.Changes;
            }

            var (bySpill, byDrain) = (Figures.Median(rounds, r => r.SpillRatio), Figures.Median(rounds, r => r.DrainRatio));
            table.Add(
                workload.Name, Figures.Text(bySpill.Decode / 1e6, 1), Figures.Text(bySpill.Spill / 1e6, 1), Figures.Text(bySpill.SpillRatio, 2),
                Figures.Text(byDrain.Apply.RowsPerSecond, 0), Figures.Text(byDrain.Drain.RowsPerSecond, 0), Figures.Text(byDrain.DrainRatio, 2));
        }

        foreach (var database in (string[])[BenchDatabases.RosettaDatabase, SpillPeer.InDatabase])
            await Equality.RequireAsync(databases, database, cancellationToken);
        journal.Say("every table of both targets has the same rows as the source");
        return table.ToString();
    }

    /// <summary>Starts the pipeline whose destination does not answer and waits until its log has everything.</summary>
    /// <returns>Bytes of WAL a second, from the first part to the last.</returns>
    static async Task<double> SpillAsync(BenchDatabases databases, SpillPeer peer, Lsn end, CancellationToken cancellationToken)
    {
        await peer.BeginAsync(cancellationToken);
        var began = Stopwatch.GetTimestamp();
        (long At, Lsn Through)? first = null;
        while (true)
        {
            var through = await databases.Config.ScalarAsync<string>("SELECT max(through_lsn)::text FROM spill_logs WHERE first_part <= last_part", "rosetta", cancellationToken);
            var now = Stopwatch.GetTimestamp();
            if (through is not null)
            {
                first ??= (now, Lsn.Parse(through));
                if (Lsn.Parse(through) >= end)
                    return end.BytesSince(first.Value.Through) / Stopwatch.GetElapsedTime(first.Value.At, now).TotalSeconds;
            }

            if (Stopwatch.GetElapsedTime(began) > Deadline)
                throw new TimeoutException($"The spill log stands at {through} and not at {end}.");
            await Task.Delay(10, cancellationToken);
        }
    }

    /// <param name="Decode">Bytes of WAL a second.</param>
    /// <param name="Spill">Bytes of WAL a second.</param>
    sealed record Round(double Decode, double Spill, Drain Apply, Drain Drain)
    {
        public double SpillRatio => Spill / Decode;

        public double DrainRatio => Drain.RowsPerSecond / Apply.RowsPerSecond;
    }
}
