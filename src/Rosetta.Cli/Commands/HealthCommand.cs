using System.CommandLine;
using System.Text.Json;
using Rosetta.Cli.Invocations;
using Rosetta.Client;
using Rosetta.Client.Answers;
using Spectre.Console;

namespace Rosetta.Cli.Commands;

/// <summary><c>rosetta health</c>: exit code 0 when the node is alive and ready.</summary>
static class HealthCommand
{
    public static Command Create() => Verb.Create("health", "Is the node alive, is it ready", RunAsync);

    static async Task<int> RunAsync(Invocation i)
    {
        var (live, ready) = (await ProbeAsync(i, "/health/live"), await ProbeAsync(i, "/health/ready"));
        if (i.Json)
            i.Line(JsonSerializer.Serialize(new { live, ready }, Wire.Json));
        else
            i.Console.MarkupLine($"live   {Word(live)}\nready  {Word(ready)}");
        return live.Fine && ready.Fine ? 0 : Verb.Failed;
    }

    static async Task<Outcome> ProbeAsync(Invocation invocation, string path)
    {
        try
        {
            await invocation.GetAsync(path);
            return new Outcome(true, null);
        }
        catch (ApiException e) when (e.Status is 503)
        {
            var checks = e.Document is { } document ? new ApiAnswer(503, document).As<Health>().Checks ?? [] : [];
            return new Outcome(false, string.Join("; ", checks.Where(c => !c.Healthy).Select(c => $"{c.Name}: {c.Detail}")));
        }
    }

    static string Word(Outcome outcome) => outcome.Fine ? "[green]yes[/]" : $"[red]no[/]  {Markup.Escape(outcome.Reason ?? "")}".TrimEnd();

    sealed record Outcome(bool Fine, string? Reason);
}
