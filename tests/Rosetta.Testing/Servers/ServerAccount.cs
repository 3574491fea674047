using Rosetta.Testing.Processes;

namespace Rosetta.Testing.Servers;

/// <summary>
/// The account servers run under: PostgreSQL refuses to run as root, so root runs it as the user <c>postgres</c> (made when missing);
/// anyone else runs it as himself.
/// </summary>
static class ServerAccount
{
    const string UserName = "postgres";
    static readonly Lazy<Task> Ensured = new(EnsureUserAsync);

    public static bool IsRoot => Environment.IsPrivilegedProcess;

    public static async Task<string> RunAsync(string program, IEnumerable<string> arguments, CancellationToken cancellationToken)
    {
        if (!IsRoot)
            return await Command.RunAsync(program, arguments, cancellationToken: cancellationToken);
        await Ensured.Value;
        return await Command.RunAsync(
            "runuser", ["-u", UserName, "--", program, .. arguments], cancellationToken: cancellationToken);
    }

    /// <summary>Arguments of <c>setpriv</c> that make it become a program of the account.</summary>
    public static string[] SetPriv(string program) => ["--reuid", UserName, "--regid", UserName, "--clear-groups", "--", program];

    /// <summary>Makes a directory only the account may enter.</summary>
    public static async Task CreateDirectoryAsync(string path, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        await OwnAsync(path, cancellationToken);
    }

    /// <summary>Gives a file or directory to the account.</summary>
    public static async Task OwnAsync(string path, CancellationToken cancellationToken)
    {
        if (!IsRoot)
            return;
        await Ensured.Value;
        await Command.RunAsync("chown", [$"{UserName}:", path], cancellationToken: cancellationToken);
    }

    static async Task EnsureUserAsync()
    {
        try
        {
            await Command.RunAsync("id", ["-u", UserName]);
        }
        catch (CommandFailedException)
        {
            await Command.RunAsync("useradd", ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", UserName]);
        }
    }
}
