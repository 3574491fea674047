using System.Globalization;
using Rosetta.Client.Answers;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Rosetta.Cli.Views;

/// <summary>Dead letters on the terminal.</summary>
static class DeadLetterView
{
    /// <summary>A line each.</summary>
    public static IRenderable Render(DeadLetters letters)
    {
        var list = new Table().Border(TableBorder.Simple).AddColumns("id", "table", "operation", "key", "state", "SQLSTATE", "parked at").AddColumn("tries", c => c.RightAligned()).AddColumn("error");
        foreach (var letter in letters.Items)
        {
            list.AddRow(
                letter.Id, Markup.Escape(letter.Table), letter.Operation, Markup.Escape(string.Join(", ", letter.Key)), Mark(letter.State), letter.Sqlstate ?? "-",
                Time(letter.FirstFailedAt), $"{letter.RetryCount}", Markup.Escape(letter.Error ?? ""));
        }

        return letters.Next is { } next ? new Rows(list, new Text($"There may be more: --after {next}")) : list;
    }

    /// <summary>A group a line, with what to do.</summary>
    public static IRenderable Render(DeadLetterSummary summary)
    {
        var list = new Table().Border(TableBorder.Simple).AddColumns("table", "class", "SQLSTATE").AddColumn("count", c => c.RightAligned()).AddColumn("bytes", c => c.RightAligned())
            .AddColumns("first", "last", "an error");
        foreach (var g in summary.Items)
        {
            list.AddRow(
                Markup.Escape(g.Table), g.ErrorClass ?? "waiting", g.Sqlstate ?? "-", Quantities.Count(g.Count), Quantities.Bytes(g.Bytes), Time(g.FirstAt), Time(g.LastAt),
                Markup.Escape(g.Example ?? ""));
        }

        var remedies = summary.Items.Where(g => g.ErrorClass is not null)
            .Select(g => new Markup($"[red]{Markup.Escape(g.Table)}[/] {g.Sqlstate ?? g.ErrorClass}: [yellow]{Markup.Escape(g.Remedy)}[/]"));
        return new Rows([list, .. remedies]);
    }

    public static IRenderable Render(DeadLetterCount count)
    {
        var list = new Table().Border(TableBorder.Simple).AddColumn("table").AddColumn("dead letters", c => c.RightAligned());
        foreach (var (table, n) in count.Tables.OrderBy(t => t.Key, StringComparer.Ordinal))
            list.AddRow(Markup.Escape(table), Quantities.Count(n));
        list.AddRow("[bold]all[/]", Quantities.Count(count.Count));
        return list;
    }

    /// <summary>One with its rows side by side.</summary>
    public static IRenderable Render(DeadLetterDetail detail)
    {
        var letter = detail.Entry;
        var lines = new List<IRenderable>
        {
            new Markup($"[bold]{letter.Id}[/]  {letter.Operation} of {Markup.Escape(letter.Table)}  {Mark(letter.State)}"),
            new Text($"parked {Time(letter.FirstFailedAt)}  tries {letter.RetryCount}{(letter.LastTriedAt is { } last ? $", last {Time(last)}" : "")}  transaction {letter.Xid} at {letter.CommitLsn}"),
        };
        if (letter.Error is { } error)
            lines.Add(new Markup($"[red]{letter.Sqlstate ?? letter.ErrorClass}[/]: {Markup.Escape(error)}"));
        lines.Add(new Markup($"[yellow]{Markup.Escape(detail.Remedy)}[/]"));
        lines.Add(Rows(detail));
        if (letter.Note is { } note)
            lines.Add(new Text(note));
        if (detail.CurrentProblem is { } problem)
            lines.Add(new Text($"The destination's row is not known: {problem}"));
        return new Rows(lines);
    }

    static Table Rows(DeadLetterDetail detail)
    {
        var (old, fresh, current) = (detail.Entry.Old, detail.Entry.New, detail.Current);
        var list = new Table().Border(TableBorder.Simple).AddColumns("column", "before", "after", "at the destination");
        foreach (var column in (fresh?.Keys ?? []).Concat(detail.Entry.Unchanged ?? []).Concat(old?.Keys ?? []).Concat(current?.Keys ?? []).Distinct())
        {
            var unchanged = detail.Entry.Unchanged?.Contains(column) == true;
            list.AddRow(Markup.Escape(column), Value(old, column), unchanged ? "[grey]unchanged[/]" : Value(fresh, column), Value(current, column));
        }

        return list;
    }

    static string Value(IReadOnlyDictionary<string, string?>? row, string column) =>
        row is null || !row.TryGetValue(column, out var value) ? "" : value is null ? "[grey]NULL[/]" : Markup.Escape(value);

    static string Mark(string state) => $"[{(state == "EXHAUSTED" ? "red" : "yellow")}]{Markup.Escape(state)}[/]";

    internal static string Time(DateTimeOffset time) => time.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
