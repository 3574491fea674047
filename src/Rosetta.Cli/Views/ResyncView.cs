using Rosetta.Client.Answers;
using Spectre.Console;

namespace Rosetta.Cli.Views;

/// <summary>How far resyncs are, and what they have read and written.</summary>
static class ResyncView
{
    /// <summary>One line.</summary>
    public static string Progress(Pipeline pipeline, IReadOnlyList<long> requests)
    {
        if (pipeline.Status == "PAUSE")
            return $"{pipeline.Name} is paused: the resync waits until it is started";
        if (pipeline.Runtime is { State: "ERROR" or "RETRYING", LastError: { } error })
            return $"{pipeline.Runtime.State}: {error}";
        var tables = pipeline.Destinations.SelectMany(d => d.Tables ?? []).ToList();
        var busy = tables.Where(t => t.State is "PENDING" or "RESYNCING" or "SNAPSHOTTING" or "CATCHING_UP").ToList();
        var (rows, of) = (busy.Sum(t => t.SnapshotRows ?? 0), busy.Sum(t => Math.Max(t.SnapshotRows ?? 0, t.SnapshotRowsEstimated ?? 0)));
        var done = tables.Count(t => t.LastResync is { } last && requests.Contains(last.RequestId) && !busy.Contains(t));
        return busy.Count == 0
            ? $"{done} tables done"
            : $"{done} tables done, {busy.Count} under way or waiting: {Quantities.Count(rows)} of about {Quantities.Count(of)} rows{Waits(busy)}";
    }

    /// <summary>The requests of which a table tells what they have done.</summary>
    public static IEnumerable<long> Answered(Pipeline pipeline) =>
        pipeline.Destinations.SelectMany(d => d.Tables ?? []).Select(t => t.LastResync?.RequestId).OfType<long>();

    /// <summary>A table that they concern did not come through.</summary>
    public static bool HasFailed(Pipeline pipeline, IReadOnlyList<long> requests) =>
        pipeline.Destinations.SelectMany(d => d.Tables ?? []).Any(t => t.State == "ERROR" && t.LastResync is { } last && requests.Contains(last.RequestId));

    public static Table Render(Pipeline pipeline, IReadOnlyList<long> requests)
    {
        var list = new Table().Border(TableBorder.Simple).AddColumns("destination", "table", "state");
        foreach (var column in (string[])["compared", "carried", "inserted", "updated", "deleted"])
            list.AddColumn(column, c => c.RightAligned());
        list.AddColumn("error");
        foreach (var destination in pipeline.Destinations)
        {
            foreach (var table in (destination.Tables ?? []).Where(t => t.LastResync is { } last && requests.Contains(last.RequestId)))
            {
                var last = table.LastResync!;
                list.AddRow(
                    Markup.Escape(destination.Name), Markup.Escape(table.Table), States.Mark(table.State), Quantities.Count(last.RowsCompared), Quantities.Count(last.RowsCarried),
                    Quantities.Count(last.Inserted), Quantities.Count(last.Updated), Quantities.Count(last.Deleted), Markup.Escape(table.Error ?? ""));
            }
        }

        return list;
    }

    static string Waits(IReadOnlyList<DestinationTable> busy) =>
        busy.FirstOrDefault(t => (t.SnapshotWaitsFor ?? t.Error) is not null) is { } waiting ? $"; {waiting.Table} waits: {waiting.SnapshotWaitsFor ?? waiting.Error}" : "";
}
