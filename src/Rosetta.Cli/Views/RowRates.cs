using Rosetta.Client.Answers;

namespace Rosetta.Cli.Views;

/// <summary>
/// Rows per second of each destination, from the counters of successive answers, over the last few seconds. A counter that fell
/// (another node counts from zero) begins anew.
/// </summary>
public sealed class RowRates(TimeProvider? time = null)
{
    static readonly TimeSpan Window = TimeSpan.FromSeconds(5);

    readonly TimeProvider _time = time ?? TimeProvider.System;
    readonly Dictionary<long, Queue<(long At, long Rows)>> _seen = [];

    /// <summary>Takes note of an answer.</summary>
    public void Observe(Pipeline pipeline)
    {
        var now = _time.GetTimestamp();
        foreach (var destination in pipeline.Destinations)
        {
            // A pipeline that is just starting has no counters yet; they are not zero.
            if (destination.Tables is not { Count: > 0 } tables)
                continue;
            if (!_seen.TryGetValue(destination.DestinationId, out var samples))
                _seen[destination.DestinationId] = samples = new Queue<(long, long)>();
            var rows = tables.Sum(t => t.RowsApplied + (t.SnapshotRows ?? 0));
            if (samples.Count > 0 && samples.Last().Rows > rows)
                samples.Clear();
            samples.Enqueue((now, rows));
            // The oldest sample kept is the first at or beyond the window's edge.
            while (samples.Count > 2 && _time.GetElapsedTime(samples.ElementAt(1).At, now) >= Window)
                samples.Dequeue();
        }
    }

    /// <summary>Rows per second, copied and changed ones; 0 until two answers were seen.</summary>
    public double Of(long destinationId)
    {
        if (!_seen.TryGetValue(destinationId, out var samples) || samples.Count < 2)
            return 0;
        var (first, last) = (samples.Peek(), samples.Last());
        var seconds = _time.GetElapsedTime(first.At, last.At).TotalSeconds;
        return seconds <= 0 ? 0 : (last.Rows - first.Rows) / seconds;
    }
}
