using Rosetta.Cli.Views;
using Rosetta.Client.Answers;

namespace Rosetta.Demo.Setup;

/// <summary>A pipeline in one line of plain text; errors follow on lines of their own.</summary>
static class PipelineSummary
{
    public static string Of(Pipeline pipeline, RowRates? rates = null)
    {
        var destinations = pipeline.Destinations.Select(d =>
        {
            var rate = rates is null ? "" : $" {Quantities.Count((long)rates.Of(d.DestinationId))} rows/s";
            var states = string.Join(" ", (d.Tables ?? []).GroupBy(t => t.State).Select(g => $"{g.Count()} {g.Key}"));
            var parked = d.DlqCount is > 0 and var n ? $", {n} parked" : "";
            return $"{d.Name} {d.HealthStatus} {d.Lane}{rate} at {d.AppliedLsn ?? "-"} lag {Quantities.Bytes(d.LagBytes)} {Quantities.Seconds(d.LagSeconds)}, {states}{parked}";
        });
        return string.Join(" | ", [pipeline.Runtime.State, .. destinations]) + string.Concat(Errors(pipeline).Select(e => $"\n           {e}"));
    }

    static IEnumerable<string> Errors(Pipeline pipeline)
    {
        if (pipeline.Runtime.LastError is { } error)
            yield return $"{error} ({pipeline.Runtime.Remedy})";
        foreach (var d in pipeline.Destinations)
        {
            if (d.LastError is { } failed)
                yield return $"{d.Name}: {failed} ({d.Remedy})";
            foreach (var t in (d.Tables ?? []).Where(t => t.Error is not null))
                yield return $"{d.Name} {t.Table}: {t.Error} ({t.Remedy})";
        }
    }
}
