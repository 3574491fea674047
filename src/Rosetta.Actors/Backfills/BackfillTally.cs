using Rosetta.Actors.Destinations;

namespace Rosetta.Actors.Backfills;

/// <summary>What the destinations of a job have reported, put together. Not thread-safe.</summary>
public sealed class BackfillTally(IReadOnlyList<long> destinations)
{
    readonly Dictionary<long, ChunkJobReport> _reports = [];

    public void Take(long destination, ChunkJobReport report) => _reports[destination] = report;

    public bool HasEnded(long destination) => _reports.TryGetValue(destination, out var report) && report.State != ChunkJobState.Running;

    /// <summary>A destination is at it, or has been: the job does not only wait for its turn.</summary>
    public bool HasBegun => _reports.Values.Any(r => r.State != ChunkJobState.Running || r.Total is not null);

    public bool AllHaveEnded => destinations.All(HasEnded);

    /// <summary>Rows that every destination has got.</summary>
    public long Rows => destinations.Select(d => _reports.GetValueOrDefault(d)?.Rows ?? 0).DefaultIfEmpty().Min();

    /// <summary>Rows over all destinations: what a rate is made of.</summary>
    public long RowsEverywhere => _reports.Values.Sum(r => r.Rows);

    /// <summary>Null before any has counted.</summary>
    public long? Total => _reports.Values.Max(r => r.Total);

    /// <summary>Of all destinations, in percent; 100 only at its end.</summary>
    public double Progress => destinations.Count == 0 ? 0 : Math.Min(99.9, Math.Round(100 * destinations.Average(Share), 1));

    /// <summary>How it ended, once all have; one that failed makes it fail.</summary>
    public (string Status, string? Error) Outcome
    {
        get
        {
            var failed = destinations.Where(d => _reports[d].State == ChunkJobState.Failed).ToList();
            if (failed.Count > 0)
                return ("FAILED", string.Join(" ", failed.Select(d => destinations.Count == 1 ? _reports[d].Error : $"Destination {d}: {_reports[d].Error}")));
            return (destinations.Any(d => _reports[d].State == ChunkJobState.Cancelled) ? "CANCELLED" : "COMPLETED", null);
        }
    }

    double Share(long destination) => _reports.GetValueOrDefault(destination) switch
    {
        null or { State: ChunkJobState.Running, Total: null } => 0,
        { State: ChunkJobState.Completed } => 1,
        { Total: > 0 and var total, Rows: var rows } => Math.Min(1, rows / (double)total),
        _ => 0,
    };
}
