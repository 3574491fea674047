using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Rosetta.Actors.Destinations;

namespace Rosetta.Actors.Recovery;

/// <summary>Gauges of what is parked, by pipeline and destination, of the lanes of this node; and counters of what is parked and what comes back.</summary>
public sealed class ParkedMetrics : IDisposable
{
    static readonly ConcurrentDictionary<ParkedMetrics, byte> Shown = new();
    static readonly Meter Meter = new(LaneMetrics.MeterName);
    static readonly Counter<long> Recovered = Meter.CreateCounter<long>("rosetta.dead_letters.recovered", "{change}", "Parked changes applied after all.");

    readonly KeyValuePair<string, object?>[] _tags;
    readonly TimeProvider _time;
    volatile ParkedFigures _now = ParkedFigures.None;

    static ParkedMetrics()
    {
        Meter.CreateObservableGauge("rosetta.dead_letters", () => Measure(m => m._now.Changes), "{change}", "Changes that a destination has not applied.");
        Meter.CreateObservableGauge("rosetta.dead_letters.bytes", () => Measure(m => m._now.Bytes), "By", "Bytes of the payloads of parked changes.");
        Meter.CreateObservableGauge(
            "rosetta.dead_letters.oldest", () => Measure(m => m._now.Oldest is { } at ? Math.Max(0, (m._time.GetUtcNow() - at).TotalSeconds) : 0), "s",
            "Age of the change that has been parked longest; 0 when none is.");
    }

    public ParkedMetrics(string pipeline, string destination, TimeProvider time)
    {
        _tags = [new("pipeline", pipeline), new("destination", destination)];
        _time = time;
        Shown.TryAdd(this, 0);
    }

    public void Show(ParkedFigures figures) => _now = figures;

    public void CountRecovered(long changes)
    {
        if (changes > 0)
            Recovered.Add(changes, _tags);
    }

    /// <summary>Another node may show them from now on.</summary>
    public void Dispose() => Shown.TryRemove(this, out _);

    static IEnumerable<Measurement<T>> Measure<T>(Func<ParkedMetrics, T> figure)
        where T : struct => Shown.Keys.Select(m => new Measurement<T>(figure(m), m._tags));
}
