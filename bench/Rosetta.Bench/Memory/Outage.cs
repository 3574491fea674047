using System.Diagnostics;
using System.Globalization;
using Npgsql;
using Rosetta.Bench.Reports;
using Rosetta.Bench.Stage;
using Rosetta.Bench.Workloads;

namespace Rosetta.Bench.Memory;

/// <summary>The second destination's server is stopped under a steady load, and started again at the end.</summary>
sealed class Outage(BenchDatabases databases, BenchPipeline pipeline, BenchNode node, Journal journal)
{
    const int ChangesPerSecond = 2_000;
    const int TransactionsPerSecond = 100;

    /// <returns>What was seen, in words.</returns>
    public async Task<string> RunAsync(TimeSpan duration, CancellationToken cancellationToken)
    {
        await databases.Targets[1].StopAsync(cancellationToken: cancellationToken);
        journal.Say("second destination stopped");
        var highestLag = await LoadAsync(duration, cancellationToken);
        var during = node.PeakResidentBytes;
        await databases.Targets[1].StartAsync(cancellationToken);
        var back = Stopwatch.GetTimestamp();
        await pipeline.WaitUntilAppliedAsync((await databases.SourceWalEndAsync(cancellationToken))!, cancellationToken);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"down for {duration.TotalSeconds:F0} s at {ChangesPerSecond:N0} changes/s: peak {Figures.Megabytes(during)} MB meanwhile, the other's highest lag {highestLag:F2} s; "
                + $"{Stopwatch.GetElapsedTime(back).TotalSeconds:F1} s after its return both had everything");
    }

    /// <summary>The highest lag in seconds that the API told of the other destination.</summary>
    async Task<double> LoadAsync(TimeSpan duration, CancellationToken cancellationToken)
    {
        await using var writer = await BenchDatabases.WatchAsync(databases.Source, BenchDatabases.SourceDatabase, cancellationToken);
        await using var command = new NpgsqlCommand(
            $"INSERT INTO items {BenchTables.MixedRows("$1", $"$1 + {(ChangesPerSecond / TransactionsPerSecond) - 1}")}", writer);
        var first = new NpgsqlParameter<long> { TypedValue = 2_000_000_000 };
        command.Parameters.Add(first);
        await command.PrepareAsync(cancellationToken);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(1000.0 / TransactionsPerSecond));
        var start = Stopwatch.GetTimestamp();
        var highest = 0.0;
        for (long n = 1; Stopwatch.GetElapsedTime(start) < duration; n++)
        {
            if (Stopwatch.GetElapsedTime(start).TotalSeconds * TransactionsPerSecond < n)
                await timer.WaitForNextTickAsync(cancellationToken);
            await command.ExecuteNonQueryAsync(cancellationToken);
            first.TypedValue += ChangesPerSecond / TransactionsPerSecond;
            if (n % TransactionsPerSecond == 0)
                highest = Math.Max(highest, await LagAsync(cancellationToken));
        }

        return highest;
    }

    async Task<double> LagAsync(CancellationToken cancellationToken) =>
        (await pipeline.ReadAsync(cancellationToken)).Destinations.MinBy(d => d.DestinationId)?.LagSeconds ?? 0;
}
