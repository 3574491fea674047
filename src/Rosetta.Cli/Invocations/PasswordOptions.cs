using System.CommandLine;
using Spectre.Console;

namespace Rosetta.Cli.Invocations;

/// <summary>
/// Where a password comes from: a variable, a file, standard input or a prompt. Never an argument: every user of a machine can read
/// the arguments of all processes.
/// </summary>
sealed class PasswordOptions
{
    readonly Option<string?> _variable = new("--password-env") { Description = "Environment variable that holds the password", HelpName = "NAME" };

    readonly Option<string?> _file = new("--password-file")
    {
        Description = "File whose first line is the password; - for standard input",
        HelpName = "PATH"
    };

    readonly Option<bool> _none = new("--no-password") { Description = "The server asks for none" };

    public Symbol[] Symbols => [_variable, _file, _none];

    /// <exception cref="RefusedException">Named but not there, or nothing named and nobody to ask.</exception>
    public async Task<string?> ReadAsync(Invocation invocation)
    {
        if (invocation.Value(_none))
            return null;
        if (invocation.Value(_variable) is { } name)
        {
            return Environment.GetEnvironmentVariable(name)
                ?? throw new RefusedException($"--password-env: the environment has no variable '{name}'");
        }
        if (invocation.Value(_file) is { } path)
            return await ReadFileAsync(path, invocation.Cancelled);
        if (Console.IsInputRedirected)
            throw new RefusedException("A password is needed: --password-env NAME, --password-file PATH (- for standard input), or --no-password");
        return await new TextPrompt<string>("Password:").Secret().AllowEmpty().ShowAsync(invocation.Console, invocation.Cancelled);
    }

    static async Task<string> ReadFileAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            using var reader = path == "-" ? Console.In : new StreamReader(path);
            return await reader.ReadLineAsync(cancellationToken) ?? throw new RefusedException($"--password-file: {path} is empty");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RefusedException($"--password-file: {e.Message}");
        }
    }
}
