using System.Diagnostics;

namespace Rosetta.Testing.Processes;

/// <summary>A .NET program of ours as users run it, to its end: a process of its own.</summary>
public sealed record ProgramRun(int ExitCode, string Output, string Errors)
{
    static readonly TimeSpan Deadline = TimeSpan.FromMinutes(3);

    /// <summary>The output's words, as they are whatever the width of the terminal was taken for.</summary>
    public string Words => string.Join(' ', Output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    /// <summary>The command line client, beside the tests' own programs.</summary>
    /// <param name="api">A node.</param>
    /// <param name="arguments">Separated by blanks.</param>
    public static Task<ProgramRun> RosettaAsync(Uri api, string arguments, string? key = null, string input = "", (string Name, string Value)? variable = null) =>
        StartRosettaAsync(api, arguments.Split(' '), key, input, variable);

    /// <inheritdoc cref="RosettaAsync"/>
    public static Task<ProgramRun> StartRosettaAsync(
        Uri api, IReadOnlyList<string> arguments, string? key = null, string input = "", (string Name, string Value)? variable = null) => StartAsync(
        Path.Combine(AppContext.BaseDirectory, "rosetta.dll"), arguments,
        new Dictionary<string, string?> { ["ROSETTA_API"] = api.ToString(), ["ROSETTA_API_KEY"] = key, [variable?.Name ?? "ROSETTA_API_KEY"] = variable?.Value ?? key }, input);

    /// <exception cref="TimeoutException">It did not end; it has been killed.</exception>
    public static async Task<ProgramRun> StartAsync(string assembly, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?> environment, string input = "")
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (var argument in arguments.Prepend(assembly))
            start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        try
        {
            await process.WaitForExitAsync().WaitAsync(Deadline);
        }
        catch (TimeoutException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }

        return new ProgramRun(process.ExitCode, await output, await errors);
    }
}
