using Rosetta.Client;
using Spectre.Console;

namespace Rosetta.Cli.Invocations;

/// <summary>Prints what the API refused, and why.</summary>
static class ProblemReport
{
    public static void Write(IAnsiConsole console, ApiException problem, bool json)
    {
        if (json && problem.Document is { } document)
        {
            console.Profile.Out.Writer.WriteLine(Wire.Indent(document));
            return;
        }
        var status = problem.Status is { } code ? $" ({code})" : "";
        console.MarkupLineInterpolated($"[red]{problem.Title}{status}[/]");
        if (problem.Detail is not null)
            console.WriteLine(problem.Detail);
        foreach (var (field, messages) in problem.Errors)
        {
            foreach (var message in messages)
                console.MarkupLineInterpolated($"  [yellow]{field}[/]: {message}");
        }
    }
}
