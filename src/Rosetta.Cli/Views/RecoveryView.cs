using System.Text.Json;
using Rosetta.Client.Answers;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Rosetta.Cli.Views;

/// <summary>An order about dead letters, and what came of it.</summary>
static class RecoveryView
{
    public static IRenderable Render(Recovery order)
    {
        var list = new Table().Border(TableBorder.Simple).AddColumns("order", "what", "state");
        foreach (var column in (string[])["recovered", "failed", "remaining", "lost", "discarded"])
            list.AddColumn(column, c => c.RightAligned());
        list.AddRow(
            order.RecoveryId, Markup.Escape(What(order)), States.Mark(order.State), Quantities.Count(order.Recovered), Quantities.Count(order.Failed), Quantities.Count(order.Remaining),
            Quantities.Count(order.Lost), Quantities.Count(order.Discarded));
        var parts = new List<IRenderable> { list };
        foreach (var text in (string?[])[order.Waiting, order.Error])
        {
            if (text is not null)
                parts.Add(new Text(text));
        }

        if (order is { DryRun: true, Result: { } result })
            parts.Add(DryRun(result));
        return new Rows(parts);
    }

    /// <summary>How far it is, in one line.</summary>
    public static string Progress(Recovery order) =>
        order.Waiting ?? $"{Quantities.Count(order.Recovered + order.Discarded)} changes done, {Quantities.Count(order.Failed)} failed, {Quantities.Count(order.Remaining)} remaining";

    static string What(Recovery order) => string.Join(
        ' ', new[] { order.Kind, order.Entry, order.Table, order.ErrorClass, order.DryRun ? "(dry run)" : null }.Where(t => t is not null));

    static Grid DryRun(JsonElement result)
    {
        var grid = new Grid().AddColumn().AddColumn();
        foreach (var (name, title) in ((string, string)[])[
            ("would_apply", "would be applied"), ("statement", "as"), ("row", "row there now"), ("row_problem", "row there now"), ("entries", "together"), ("failed_entry", "what fails"),
            ("error_class", "class"), ("sqlstate", "SQLSTATE"), ("error", "error")])
        {
            if (result.TryGetProperty(name, out var value) && (value.ValueKind != JsonValueKind.Null || name == "row"))
                grid.AddRow(new Text(title), new Text(value.ValueKind == JsonValueKind.Null ? "none" : value.ToString()));
        }

        return grid;
    }
}
