using Rosetta.Cli.Invocations;
using Rosetta.Client;
using Rosetta.Client.Answers;
using Spectre.Console;

namespace Rosetta.Cli.Commands;

/// <summary>The outcome of a test-connection; exit code 1 when it did not connect.</summary>
static class ConnectionReport
{
    public static int Show(Invocation i, ApiAnswer answer)
    {
        var test = answer.As<ConnectionTest>();
        i.Show<ConnectionTest>(
            answer,
            t => t.Ok
                ? new Markup($"[green]connected[/], server {Markup.Escape(t.ServerVersion ?? "?")}, {t.LatencyMs:F1} ms\n")
                : new Markup($"[red]{Markup.Escape(t.Error ?? "not connected")}[/]\n{Markup.Escape(t.Hint ?? "")}\n"));
        return test.Ok ? 0 : Verb.Failed;
    }
}
