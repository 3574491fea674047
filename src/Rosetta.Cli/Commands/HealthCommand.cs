using System.CommandLine;
using Rosetta.Cli.Invocations;
using Rosetta.Client;
using Spectre.Console;

namespace Rosetta.Cli.Commands;

/// <summary><c>rosetta health</c>: exit code 0 when the node is alive and ready.</summary>
static class HealthCommand
{
    public static Command Create() => Verb.Create(
        "health", "Is the node alive, is it ready",
        async i =>
        {
            var (alive, ready) = (await ProbeAsync(i, "/health/live"), await ProbeAsync(i, "/health/ready"));
            if (i.Json)
                i.Line(Wire.Indent($$"""{"live": {{(alive ? "true" : "false")}}, "ready": {{(ready ? "true" : "false")}}}"""));
            else
                i.Console.MarkupLine($"live   {Word(alive)}\nready  {Word(ready)}");
            return alive && ready ? 0 : Verb.Failed;
        });

    static async Task<bool> ProbeAsync(Invocation invocation, string path)
    {
        try
        {
            await invocation.GetAsync(path);
            return true;
        }
        catch (ApiException e) when (e.Status is 503)
        {
            return false;
        }
    }

    static string Word(bool yes) => yes ? "[green]yes[/]" : "[red]no[/]";
}
