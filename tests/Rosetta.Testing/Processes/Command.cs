using System.Diagnostics;

namespace Rosetta.Testing.Processes;

/// <summary>Runs a program to its end and gives its standard output.</summary>
public static class Command
{
    /// <summary>Runs <paramref name="program"/>; its output on success.</summary>
    /// <exception cref="CommandFailedException">It could not be started or its exit code was not 0; the text holds its output.</exception>
    public static async Task<string> RunAsync(
        string program, IEnumerable<string> arguments, string workingDirectory = "/", CancellationToken cancellationToken = default)
    {
        var start = new ProcessStartInfo(program)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            WorkingDirectory = workingDirectory
        };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);

        using var process = new Process { StartInfo = start };
        try
        {
            process.Start();
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new CommandFailedException($"{program} could not be started: {e.Message}", e);
        }
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
        var errors = process.StandardError.ReadToEndAsync(cancellationToken);
        try
        {
            await process.WaitForExitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
        var text = await output;
        var errorText = await errors;
        if (process.ExitCode != 0)
        {
            throw new CommandFailedException(
                $"{program} {string.Join(' ', start.ArgumentList)} ended with exit code {process.ExitCode}:\n{text}{errorText}");
        }
        return text;
    }
}

/// <summary>A program failed; the message holds the command line and what it printed.</summary>
public sealed class CommandFailedException(string message, Exception? inner = null) : Exception(message, inner);
