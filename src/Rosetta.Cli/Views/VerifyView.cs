using Rosetta.Client.Answers;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Rosetta.Cli.Views;

/// <summary>What a comparison has found, table by table, and the first rows that differ.</summary>
static class VerifyView
{
    /// <param name="isDryRun">Shown as what a resync would do.</param>
    public static IRenderable Render(Verify verify, bool isDryRun)
    {
        var parts = new List<IRenderable>();
        if (verify is { IsOpen: true, Waiting: { } waiting })
            parts.Add(new Text(waiting));
        parts.Add(Tables(verify, isDryRun));
        foreach (var table in verify.Tables.Where(t => t.Keys is { Count: > 0 }))
            parts.Add(Keys(table, isDryRun));
        return new Rows(parts);
    }

    /// <summary>How far it is, in one line.</summary>
    public static string Progress(Verify verify)
    {
        if (verify.Waiting is { } waiting)
            return waiting;
        var ended = verify.Tables.Count(t => t.State is "EQUAL" or "DIFFERENT" or "REPAIRED" or "NOT_COMPARED");
        return $"{ended} of {verify.Tables.Count} tables compared, {Quantities.Count(verify.Tables.Sum(t => t.RowsCompared))} of {Quantities.Count(verify.Tables.Sum(t => Math.Max(t.RowsTotal ?? 0, t.RowsCompared)))} rows";
    }

    static Table Tables(Verify verify, bool isDryRun)
    {
        var list = new Table().Border(TableBorder.Simple).AddColumns("destination", "table", "state");
        foreach (var column in (string[])["rows", "of", "carried", .. isDryRun ? (string[])["update", "insert", "delete"] : ["differing", "missing", "extra"]])
            list.AddColumn(column, c => c.RightAligned());
        list.AddColumns("as of", "error");
        foreach (var t in verify.Tables)
        {
            list.AddRow(
                $"{t.DestinationId}", Markup.Escape(t.Table), States.Mark(t.State), Quantities.Count(t.RowsCompared), Quantities.Count(t.RowsTotal), Quantities.Count(t.RowsCarried),
                Quantities.Count(t.Differing), Quantities.Count(t.Missing), Quantities.Count(t.Extra), t.AsOfLsn ?? "", Markup.Escape(t.Error ?? ""));
        }

        return list;
    }

    static Rows Keys(VerifiedTable table, bool isDryRun)
    {
        var all = table.Differing + table.Missing + table.Extra;
        var list = new Table().Border(TableBorder.Simple).AddColumns("key", isDryRun ? "would be" : "what", "columns");
        foreach (var key in table.Keys!)
            list.AddRow(Markup.Escape(key.Key.GetRawText()), Name(key.Kind, isDryRun), Markup.Escape(string.Join(", ", key.Columns)));
        var shown = all > table.Keys!.Count ? $" (the first {Quantities.Count(table.Keys.Count)} of {Quantities.Count(all)})" : "";
        return new Rows(new Text($"{table.Table} at destination {table.DestinationId}{shown}"), list);
    }

    static string Name(string kind, bool isDryRun) => !isDryRun ? kind : kind switch
    {
        "missing" => "inserted",
        "different" => "updated",
        _ => "deleted",
    };
}
