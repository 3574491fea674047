using Rosetta.Client.Answers;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Rosetta.Cli.Views;

/// <summary>A pipeline on the terminal: its state, its destinations, their tables, and what is wrong with the remedy.</summary>
public static class PipelineView
{
    /// <param name="rates">Adds rows per second; null where there is only one answer to show.</param>
    public static IRenderable Render(Pipeline pipeline, RowRates? rates = null) =>
        new Rows([Heading(pipeline), Destinations(pipeline, rates), Tables(pipeline), .. Faults(pipeline)]);

    static Markup Heading(Pipeline pipeline)
    {
        var runtime = pipeline.Runtime;
        var node = runtime.Node is null ? "" : $"  on {Markup.Escape(runtime.Node)}";
        var restarts = runtime.Restarts is > 0 and var n ? $"  restarts {n}" : "";
        var slot = runtime.Slot is null
            ? ""
            : $"\nslot {Markup.Escape(runtime.Slot)}  received {runtime.ReceivedLsn ?? "-"}  confirmed {runtime.ConfirmedLsn ?? "-"}"
                + $"  WAL retained {Quantities.Bytes(runtime.WalRetainedBytes)}";
        return new Markup($"[bold]{Markup.Escape(pipeline.Name)}[/]  {States.Mark(runtime.State)}{node}{restarts}{slot}\n");
    }

    static Table Destinations(Pipeline pipeline, RowRates? rates)
    {
        var table = new Table().Border(TableBorder.Simple)
            .AddColumns("destination", "health", "lane")
            .AddColumn("applied LSN")
            .AddColumn("lag", c => c.RightAligned())
            .AddColumn("behind", c => c.RightAligned());
        var parked = pipeline.Destinations.Any(d => d.DlqCount > 0);
        if (parked)
            table.AddColumn("dead letters", c => c.RightAligned());
        if (rates is not null)
            table.AddColumn("rows/s", c => c.RightAligned());
        foreach (var d in pipeline.Destinations)
        {
            List<string> cells =
            [
                Markup.Escape(d.Name), States.Mark(d.HealthStatus), States.Mark(d.Lane), d.AppliedLsn ?? "-",
                Quantities.Bytes(d.LagBytes), Quantities.Seconds(d.LagSeconds)
            ];
            if (parked)
                cells.Add(Quantities.Count(d.DlqCount));
            if (rates is not null)
                cells.Add(Quantities.Count((long)rates.Of(d.DestinationId)));
            table.AddRow([.. cells]);
        }
        return table;
    }

    /// <summary>One line per table; the destinations' states side by side, the counters those of the first.</summary>
    static Table Tables(Pipeline pipeline)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumn("table");
        foreach (var d in pipeline.Destinations)
        {
            table.AddColumn(Markup.Escape(d.Name));
            table.AddColumn("copied", c => c.RightAligned());
            table.AddColumn("ins / upd / del", c => c.RightAligned());
        }
        var names = pipeline.Destinations.SelectMany(d => d.Tables ?? []).Select(t => t.Table).Distinct().Order(StringComparer.Ordinal);
        foreach (var name in names)
        {
            List<string> cells = [Markup.Escape(name)];
            foreach (var d in pipeline.Destinations)
            {
                var at = d.Tables?.FirstOrDefault(t => t.Table == name);
                cells.Add(States.Mark(at?.State));
                cells.Add(at is null ? "" : Copied(at));
                cells.Add(
                    at is null
                        ? ""
                        : $"{Quantities.Count(at.RowsInserted)} / {Quantities.Count(at.RowsUpdated)} / {Quantities.Count(at.RowsDeleted)}");
            }
            table.AddRow([.. cells]);
        }
        return table;
    }

    static string Copied(DestinationTable table) =>
        table.State is "SNAPSHOTTING" or "RESYNCING" && table.SnapshotRowsEstimated is > 0 and var estimated
            ? $"{100 * Math.Min(table.SnapshotRows ?? 0, estimated) / estimated} %{(table.SnapshotWaitsFor is null ? Left(table.SnapshotSecondsLeft) : " waits")}"
            : Quantities.Count(table.SnapshotRows);

    /// <summary>What is left of a copy, to the second or the minute.</summary>
    public static string Left(double? seconds) => seconds switch
    {
        null => "",
        < 100 => string.Create(System.Globalization.CultureInfo.InvariantCulture, $", {Math.Ceiling(seconds.Value):0} s left"),
        _ => string.Create(System.Globalization.CultureInfo.InvariantCulture, $", {Math.Ceiling(seconds.Value / 60):0} min left"),
    };

    static IEnumerable<IRenderable> Faults(Pipeline pipeline)
    {
        var runtime = pipeline.Runtime;
        if (runtime.LastError is not null)
            yield return Fault("pipeline", runtime.LastError, runtime.Remedy);
        foreach (var d in pipeline.Destinations)
        {
            if (d.LastError is not null)
                yield return Fault(d.Name, d.LastError, d.Remedy);
            if (d.Spill is { } spill)
                yield return Spill(d.Name, spill);
            foreach (var t in d.Tables ?? [])
            {
                if (t.Error is not null)
                    yield return Fault($"{d.Name} {t.Table}", t.Error, t.Remedy);
            }
        }
    }

    static Markup Spill(string where, DestinationSpill spill)
    {
        var speed = spill.SecondsLeft is not null || spill.DrainedPerSecond > 0
            ? $", {Quantities.Bytes((long)spill.DrainedPerSecond)}/s drained{Left(spill.SecondsLeft)}"
            : $", {Quantities.Bytes((long)spill.WrittenPerSecond)}/s written";
        var waits = $"[yellow]{Markup.Escape(where)}[/]: {Quantities.Count(spill.Transactions)} transactions ({Quantities.Bytes(spill.Bytes)}) wait in the spill log{speed}";
        return spill.Error is null
            ? new Markup($"{waits}\n")
            : new Markup($"{waits}\n[red]{Markup.Escape(where)}[/] spill log: {Markup.Escape(spill.Error)}\n  [yellow]{Markup.Escape(spill.Remedy ?? "")}[/]\n");
    }

    static Markup Fault(string where, string error, string? remedy)
    {
        var cure = remedy is null ? "" : $"\n  [yellow]{Markup.Escape(remedy)}[/]";
        return new Markup($"[red]{Markup.Escape(where)}[/]: {Markup.Escape(error)}{cure}\n");
    }
}
