using System.Diagnostics;
using System.Diagnostics.Metrics;
using Rosetta.Core.Destinations;

namespace Rosetta.Actors.Destinations;

/// <summary>Counters of one lane, exported under the meter <c>Rosetta</c> with the tags pipeline and destination.</summary>
public sealed class LaneMetrics(string pipeline, string destination)
{
    public const string MeterName = "Rosetta";

    static readonly Meter Meter = new(MeterName);
    static readonly Counter<long> Rows = Meter.CreateCounter<long>("rosetta.rows", "{row}", "Changes applied, by operation.");
    static readonly Counter<long> Groups = Meter.CreateCounter<long>("rosetta.batches", "{batch}", "Groups of source transactions applied.");
    static readonly Counter<long> Bytes = Meter.CreateCounter<long>("rosetta.bytes", "By", "Bytes of changes applied.");
    static readonly Counter<long> CopiedRows = Meter.CreateCounter<long>("rosetta.copied.rows", "{row}", "Rows copied by snapshots.");
    static readonly Counter<long> ComparedRows = Meter.CreateCounter<long>("rosetta.compared.rows", "{row}", "Rows of ranges that were compared by digests; of those that differ some are also copied.");
    static readonly Counter<long> Restarts = Meter.CreateCounter<long>("rosetta.restarts", "{restart}", "Restarts of a lane or of the main stream after a failure.");
    static readonly Counter<long> Divergences = Meter.CreateCounter<long>("rosetta.divergences", "{row}", "Changes that found no row where one had to be.");
    static readonly Histogram<double> ApplyTime = Meter.CreateHistogram<double>("rosetta.apply.duration", "s", "Time to apply one group.");

    static readonly Counter<long> Parked = Meter.CreateCounter<long>("rosetta.dead_letters.parked", "{change}", "Changes parked instead of being applied, with those that wait behind them.");

    public string Pipeline { get; } = pipeline;

    readonly TagList _tags = new() { { "pipeline", pipeline }, { "destination", destination } };

    public void Applied(ApplyResult result, long bytes, TimeSpan took)
    {
        long inserted = 0, updated = 0, deleted = 0, divergences = 0;
        foreach (var rows in result.Rows.Values)
        {
            inserted += rows.Inserted;
            updated += rows.Updated;
            deleted += rows.Deleted;
            divergences += rows.Divergences;
        }

        Count("insert", inserted);
        Count("update", updated);
        Count("delete", deleted);
        if (divergences > 0)
            Divergences.Add(divergences, _tags);
        if (result.Parked > 0)
            Parked.Add(result.Parked, _tags);
        Groups.Add(1, _tags);
        Bytes.Add(bytes, _tags);
        ApplyTime.Record(took.TotalSeconds, _tags);
    }

    public void Copied(long rows) => CopiedRows.Add(rows, _tags);

    public void Compared(long rows) => ComparedRows.Add(rows, _tags);

    public void Restarted() => Restarts.Add(1, _tags);

    void Count(string operation, long rows)
    {
        if (rows == 0)
            return;
        var tags = _tags;
        tags.Add("operation", operation);
        Rows.Add(rows, tags);
    }
}
