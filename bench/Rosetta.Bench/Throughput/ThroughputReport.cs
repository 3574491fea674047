using Rosetta.Bench.Reports;
using Rosetta.Bench.Workloads;

namespace Rosetta.Bench.Throughput;

/// <summary>The table of the drains: of each workload and peer the round with the median rate, and the median of the rounds' ratios.</summary>
/// <param name="yardstick">The peer that the others are compared with.</param>
sealed class ThroughputReport(string yardstick)
{
    readonly Dictionary<string, List<IReadOnlyList<Drain>>> _rounds = [];
    readonly List<Workload> _workloads = [];

    /// <param name="drains">Of one round, one for each peer.</param>
    public void Add(Workload workload, IReadOnlyList<Drain> drains)
    {
        if (_rounds.TryAdd(workload.Name, []))
            _workloads.Add(workload);
        _rounds[workload.Name].Add(drains);
    }

    public override string ToString()
    {
        var table = new MarkdownTable(
            "workload", "peer", "rows/s", $"ratio to {yardstick} (rounds)", "CPU s per million rows", "node", "walsender", "target", "node RSS peak MB",
            "first rows after s", "confirmed after s");
        foreach (var workload in _workloads)
        {
            var rounds = _rounds[workload.Name];
            foreach (var peer in rounds[0].Select(d => d.Peer).Order(StringComparer.Ordinal))
            {
                var drain = Figures.Median(rounds.Select(r => Of(r, peer)), d => d.RowsPerSecond);
                table.Add(
                    workload.Name, peer, Figures.Text(drain.RowsPerSecond, 0), peer == yardstick ? "1" : Ratios(rounds, peer),
                    Per(drain, drain.Cpu.Total), Per(drain, drain.Cpu.Node), Per(drain, drain.Cpu.Walsender), Per(drain, drain.Cpu.Target),
                    drain.PeakResident == 0 ? "-" : Figures.Megabytes(rounds.Max(r => Of(r, peer).PeakResident)),
                    Figures.Text(drain.FirstAfter, 1), Figures.Text(drain.ConfirmedAfter, 1));
            }
        }

        return table.ToString();
    }

    string Ratios(List<IReadOnlyList<Drain>> rounds, string peer)
    {
        var ratios = rounds.Select(r => Of(r, peer).RowsPerSecond / Of(r, yardstick).RowsPerSecond).ToList();
        var median = Figures.Text(Figures.Median(ratios, static r => r), 2);
        return ratios.Count == 1 ? median : $"{median} ({string.Join(", ", ratios.Select(r => Figures.Text(r, 2)))})";
    }

    static Drain Of(IReadOnlyList<Drain> round, string peer) => round.First(d => d.Peer == peer);

    static string Per(Drain drain, double seconds) => Figures.Text(drain.PerMillion(seconds), 1);
}
