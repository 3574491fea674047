using Rosetta.Client.Answers;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Rosetta.Cli.Views;

/// <summary>Who edited or discarded which dead letters, on the terminal.</summary>
static class DeadLetterAuditView
{
    /// <summary>A line each.</summary>
    public static IRenderable Render(DeadLetterAudit audit)
    {
        var list = new Table().Border(TableBorder.Simple).AddColumns("when", "who", "action", "state", "entry", "table", "operation", "key", "reason", "values");
        foreach (var record in audit.Items)
        {
            list.AddRow(
                DeadLetterView.Time(record.DoneAt ?? record.RecordedAt), Markup.Escape(record.RequestedBy ?? "-"), record.Action,
                record.State == "COMPLETED" ? record.State : $"[yellow]{Markup.Escape(record.State)}[/]", record.Entry, Markup.Escape(record.Table), record.Operation ?? "-",
                Markup.Escape(string.Join(", ", record.Key ?? [])), Markup.Escape(record.Reason ?? ""), Markup.Escape(Values(record)));
        }

        return audit.Next is { } next ? new Rows(list, new Text($"There may be more: --after {next}")) : list;
    }

    /// <summary>Of an edit what it changed, of a discard the row that went; why neither is known.</summary>
    static string Values(DeadLetterAuditRecord record) =>
        record is { New: { } was, Edited: { } edited }
            ? string.Join(", ", edited.Where(e => !was.TryGetValue(e.Key, out var before) || before != e.Value).Select(e => $"{e.Key}: {Text(was.GetValueOrDefault(e.Key))} -> {Text(e.Value)}"))
        : (record.New ?? record.Old) is { } row ? string.Join(", ", row.Select(v => $"{v.Key}: {Text(v.Value)}"))
        : record.Note ?? "";

    static string Text(string? value) => value ?? "NULL";
}
