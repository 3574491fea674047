using System.CommandLine;
using Rosetta.Client;
using Spectre.Console;

namespace Rosetta.Cli.Invocations;

/// <summary>A command that calls the API; its failures become a message on standard error and exit code 1.</summary>
static class Verb
{
    /// <summary>Exit code of a refusal, of a failed check, and of a node that does not answer.</summary>
    public const int Failed = 1;

    public static Command Create(string name, string description, Func<Invocation, Task<int>> run, params Symbol[] symbols)
    {
        var command = new Command(name, description);
        foreach (var symbol in symbols)
        {
            if (symbol is Argument argument)
                command.Arguments.Add(argument);
            else if (symbol is Option option)
                command.Options.Add(option);
        }
        command.SetAction((result, cancellationToken) => RunAsync(result, run, cancellationToken));
        return command;
    }

    public static Command Create(string name, string description, Func<Invocation, Task> run, params Symbol[] symbols) =>
        Create(
            name, description,
            async invocation =>
            {
                await run(invocation);
                return 0;
            },
            symbols);

    /// <summary>A command that only holds others.</summary>
    public static Command Group(string name, string description, params Command[] verbs)
    {
        var group = new Command(name, description);
        foreach (var verb in verbs)
            group.Subcommands.Add(verb);
        return group;
    }

    static async Task<int> RunAsync(ParseResult result, Func<Invocation, Task<int>> run, CancellationToken cancellationToken)
    {
        try
        {
            using var invocation = new Invocation(result, cancellationToken);
            return await run(invocation);
        }
        catch (ApiException e)
        {
            ProblemReport.Write(Invocation.Errors, e, result.GetValue(GlobalOptions.Json));
            return Failed;
        }
        catch (RefusedException e)
        {
            Invocation.Errors.MarkupLineInterpolated($"[red]{e.Message}[/]");
            return Failed;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Ctrl-C ends `watch` in the ordinary way.
            return 0;
        }
    }
}

/// <summary>The command line asks for something that cannot be done; the message says what to write instead.</summary>
sealed class RefusedException(string message) : Exception(message);
