using System.CommandLine;
using Rosetta.Cli.Invocations;
using Rosetta.Cli.Views;
using Rosetta.Client.Answers;

namespace Rosetta.Cli.Commands;

/// <summary><c>rosetta dlq</c>: changes that a destination has not applied. This shows them; what orders something about them is in <see cref="RecoveryCommands"/>.</summary>
static class DeadLetterCommands
{
    public static readonly Argument<string> PipelineArgument = new("pipeline") { Description = "Id or name" };
    public static readonly Argument<string> DestinationArgument = new("destination") { Description = "Id or name" };
    public static readonly Argument<string> EntryArgument = new("entry") { Description = "Id of the dead letter, as list shows it" };
    public static readonly Option<string?> TableOption = new("--table", "-t") { Description = "Only of this table of the source: schema.table" };
    public static readonly Option<string?> ClassOption = new("--error-class") { Description = "Only what met an error of this class: TRANSIENT, DATA, TABLE, OPERATOR" };
    static readonly Option<string?> StateOption = new("--sqlstate") { Description = "Only what met this SQLSTATE" };
    static readonly Option<int> LimitOption = new("--limit") { Description = "How many at most, 1 to 1000", DefaultValueFactory = _ => 100 };
    static readonly Option<string?> AfterOption = new("--after") { Description = "Goes on behind this one, as the page before said" };

    public static Command Create() => Verb.Group(
        "dlq", "Dead letters: changes that a destination has not applied",
        [Verb.Create("count", "How many there are, by table", async i => i.Show<DeadLetterCount>(await i.GetAsync($"{await PathAsync(i)}/count"), DeadLetterView.Render), PipelineArgument, DestinationArgument),
        Verb.Create(
            "list", "The oldest change first",
            async i => i.Show<DeadLetters>(await i.GetAsync($"{await PathAsync(i)}?limit={i.Value(LimitOption)}{Query(i)}{Part(i, AfterOption, "after")}"), DeadLetterView.Render),
            PipelineArgument, DestinationArgument, TableOption, ClassOption, StateOption, LimitOption, AfterOption),
        Verb.Create(
            "summary", "What they met: by table, class and SQLSTATE, and what to do",
            async i => i.Show<DeadLetterSummary>(await i.GetAsync($"{await PathAsync(i)}/summary"), DeadLetterView.Render), PipelineArgument, DestinationArgument),
        Verb.Create(
            "show", "One of them with its rows, and the row that the destination has",
            async i => i.Show<DeadLetterDetail>(await i.GetAsync($"{await PathAsync(i)}/{Uri.EscapeDataString(i.Value(EntryArgument))}"), DeadLetterView.Render),
            PipelineArgument, DestinationArgument, EntryArgument),
        Verb.Create("export", "All of them as JSON Lines, one a line", ExportAsync, PipelineArgument, DestinationArgument, TableOption, ClassOption, StateOption),
        Verb.Create(
            "audit", "Who edited or discarded which of them, the newest first",
            async i => i.Show<DeadLetterAudit>(
                await i.GetAsync($"{await PathAsync(i)}/audit?limit={i.Value(LimitOption)}{Part(i, TableOption, "table")}{Part(i, AfterOption, "after")}"), DeadLetterAuditView.Render),
            PipelineArgument, DestinationArgument, TableOption, LimitOption, AfterOption),
        .. RecoveryCommands.Create()]);

    public static async Task<string> PathAsync(Invocation i) =>
        $"pipelines/{await i.IdAsync("pipelines", PipelineArgument)}/destinations/{await i.IdAsync("destinations", DestinationArgument)}/dlq";

    static async Task ExportAsync(Invocation i)
    {
        var query = Query(i);
        await foreach (var line in i.Api.LinesAsync($"{await PathAsync(i)}/export{(query.Length > 0 ? $"?{query[1..]}" : "")}", i.Cancelled))
            i.Line(line);
    }

    static string Query(Invocation i) => $"{Part(i, TableOption, "table")}{Part(i, ClassOption, "error_class")}{Part(i, StateOption, "sqlstate")}";

    static string Part(Invocation i, Option<string?> option, string name) => i.Value(option) is { Length: > 0 } text ? $"&{name}={Uri.EscapeDataString(text)}" : "";
}
