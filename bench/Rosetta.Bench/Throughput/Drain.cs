using System.Diagnostics;
using System.Globalization;
using Npgsql;
using Rosetta.Bench.Peers;
using Rosetta.Bench.Processes;
using Rosetta.Bench.Stage;

namespace Rosetta.Bench.Throughput;

/// <summary>
/// One drain of a backlog. Start-up is kept apart: rows, time and CPU are those between the first moment the target showed changes (what had arrived by
/// then does not count) and the moment it showed the last.
/// </summary>
/// <param name="FirstAfter">From the order to start to the first changes seen, seconds.</param>
/// <param name="Rows">Rows that arrived after those.</param>
/// <param name="Seconds">The time they took.</param>
/// <param name="Cpu">What they cost.</param>
/// <param name="ConfirmedAfter">From the last change seen to its confirmation at the slot, seconds.</param>
/// <param name="PeakResident">Of the node, bytes, start-up included.</param>
sealed record Drain(string Peer, double FirstAfter, long Rows, double Seconds, CpuSample Cpu, double ConfirmedAfter, long PeakResident)
{
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);
    static readonly TimeSpan Deadline = TimeSpan.FromMinutes(20);

    public double RowsPerSecond => Rows / Seconds;

    /// <summary>Starts the peer, drains all changes up to the number <paramref name="goal"/>, stops it.</summary>
    /// <param name="before">The number of changes that were at the target already.</param>
    public static async Task<Drain> RunAsync(BenchDatabases databases, IPeer peer, long before, long goal, CancellationToken cancellationToken)
    {
        var end = (await databases.SourceWalEndAsync(cancellationToken))!;
        await databases.Source.ExecuteAsync("CHECKPOINT", cancellationToken: cancellationToken);
        await databases.Targets[0].ExecuteAsync("CHECKPOINT", cancellationToken: cancellationToken);
        await using var watcher = await BenchDatabases.WatchAsync(databases.Targets[0], peer.Database, cancellationToken);
        await using var look = new NpgsqlCommand("SELECT coalesce(max(rows), 0) FROM progress", watcher);
        await look.PrepareAsync(cancellationToken);
        if (peer.NodeProcess != 0)
            ProcessUse.ForgetPeak(peer.NodeProcess);

        var ordered = Stopwatch.GetTimestamp();
        await peer.StartAsync(cancellationToken);
        var first = await SeeAsync(rows => rows > before);
        var began = Stopwatch.GetTimestamp();
        var cpu = peer.Cpu();
        var last = await SeeAsync(rows => rows >= goal);
        var ended = Stopwatch.GetTimestamp();
        cpu = peer.Cpu() - cpu;
        var peak = peer.NodeProcess == 0 ? 0 : ProcessUse.PeakResidentBytes(peer.NodeProcess);
        await Slots.WaitUntilConfirmedAsync(databases, await peer.SlotAsync(cancellationToken), end, cancellationToken);
        var confirmed = Stopwatch.GetElapsedTime(ended);
        await peer.StopAsync(cancellationToken);
        return new Drain(
            peer.Name, Stopwatch.GetElapsedTime(ordered, began).TotalSeconds, last - first, Stopwatch.GetElapsedTime(began, ended).TotalSeconds, cpu,
            confirmed.TotalSeconds, peak);

        async Task<long> SeeAsync(Func<long, bool> reached)
        {
            var since = Stopwatch.GetTimestamp();
            while (true)
            {
                var rows = (long)(await look.ExecuteScalarAsync(cancellationToken))!;
                if (reached(rows))
                    return rows;
                if (Stopwatch.GetElapsedTime(since) > Deadline)
                    throw new TimeoutException($"{peer.Name} stands at {rows} of {goal} changes.");
                await Task.Delay(Pause, cancellationToken);
            }
        }
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Peer}: {RowsPerSecond:N0} rows/s ({Rows:N0} rows in {Seconds:F2} s, first after {FirstAfter:F2} s, confirmed {ConfirmedAfter:F2} s later), CPU s per million rows: "
            + $"node {PerMillion(Cpu.Node):F2}, walsender {PerMillion(Cpu.Walsender):F2}, target {PerMillion(Cpu.Target):F2}");

    public double PerMillion(double seconds) => seconds * 1_000_000 / Rows;
}
