using System.Globalization;
using Rosetta.Testing.Processes;

namespace Rosetta.Testing.Servers;

/// <summary>
/// initdb takes seconds, a copy of its result takes tens of milliseconds: one data directory per version and password method is kept
/// in the cache and copied. Every copy gets a system identifier of its own.
/// </summary>
static class DataDirectoryTemplate
{
    public static async Task CopyAsync(
        PostgresBinaries binaries, string auth, string password, string target, Action<string>? log, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateDirectory(Path.Combine(ServerFolders.Cache, "templates")).FullName;
        // A different build of the same version gets its own template; md5 and scram store the password differently.
        var stamp = File.GetLastWriteTimeUtc(binaries.Program("postgres")).Ticks;
        var hash = auth == "md5" ? "md5" : "scram-sha-256";
        var name = string.Create(CultureInfo.InvariantCulture, $"{binaries.Version}-{hash}-{stamp:x}");
        var template = Path.Combine(folder, name);
        if (!Directory.Exists(template))
        {
            using var held = await FileLock.AcquireAsync(template + ".lock", cancellationToken);
            if (!Directory.Exists(template))
            {
                log?.Invoke($"initdb of a PostgreSQL {binaries.Version} template");
                await InitializeAsync(binaries, hash, password, template, cancellationToken);
            }
        }
        await Command.RunAsync("cp", ["-a", "--reflink=auto", template + "/data", target], cancellationToken: cancellationToken);
        SystemIdentifier.Replace(target);
    }

    static async Task InitializeAsync(
        PostgresBinaries binaries, string hash, string password, string template, CancellationToken cancellationToken)
    {
        var building = template + ".building";
        if (Directory.Exists(building))
            Directory.Delete(building, recursive: true);
        await ServerAccount.CreateDirectoryAsync(building, cancellationToken);
        var passwordFile = Path.Combine(building, "password");
        await File.WriteAllTextAsync(passwordFile, password + "\n", cancellationToken);
        await ServerAccount.OwnAsync(passwordFile, cancellationToken);
        await ServerAccount.RunAsync(
            binaries.Program("initdb"),
            [
                "-D", Path.Combine(building, "data"), "-U", "postgres", "-A", hash, "--pwfile", passwordFile,
                "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"
            ],
            cancellationToken);
        Directory.Move(building, template);
    }
}
