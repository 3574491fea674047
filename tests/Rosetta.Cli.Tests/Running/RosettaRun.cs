using System.Diagnostics;
using System.Reflection;

namespace Rosetta.Cli.Tests.Running;

/// <summary>The command line client as users run it: a process of its own.</summary>
sealed record RosettaRun(int ExitCode, string Output, string Errors)
{
    static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    public static async Task<RosettaRun> StartAsync(Uri api, string arguments, string? key = null, string input = "", (string Name, string Value)? variable = null)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true
        };
        start.ArgumentList.Add(Assembly.GetAssembly(typeof(RosettaCommand))!.Location);
        foreach (var argument in arguments.Split(' '))
            start.ArgumentList.Add(argument);
        start.Environment["ROSETTA_API"] = api.ToString();
        start.Environment["ROSETTA_API_KEY"] = key;
        if (variable is { } set)
            start.Environment[set.Name] = set.Value;
        using var process = Process.Start(start)!;
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(Deadline);
        return new RosettaRun(process.ExitCode, await output, await errors);
    }
}
