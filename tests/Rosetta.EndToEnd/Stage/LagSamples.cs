namespace Rosetta.EndToEnd.Stage;

/// <summary>A destination's lag in seconds, sampled, and the states that another one was in meanwhile.</summary>
public sealed class LagSamples
{
    readonly List<double> _seconds = [];

    public SortedSet<string> States { get; } = [];

    public void Add(double seconds) => _seconds.Add(seconds);

    /// <summary>So many of the samples are at most this, in seconds.</summary>
    public double Percentile(double share)
    {
        var sorted = _seconds.Order().ToList();
        return sorted[Math.Max(0, (int)Math.Ceiling(sorted.Count * share) - 1)];
    }

    public override string ToString() =>
        $"p50 {Percentile(0.5):0.000}, p95 {Percentile(0.95):0.000}, p99 {Percentile(0.99):0.000}, max {Percentile(1):0.000} s in {_seconds.Count} samples; states seen: {string.Join(", ", States)}";
}
