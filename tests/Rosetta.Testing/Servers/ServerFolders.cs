namespace Rosetta.Testing.Servers;

/// <summary>Where servers live. Everything must be readable by the servers' account, so root does not use its home folder.</summary>
static class ServerFolders
{
    /// <summary>Data directories of running servers; short, because a unix socket's path may have 107 bytes only.</summary>
    public static string Servers { get; } = Make(Path.Combine(Path.GetTempPath(), $"rosetta-servers-{Environment.UserName}"));

    /// <summary>What is worth keeping between runs: downloaded versions, data directory templates.</summary>
    public static string Cache { get; } = Make(
        ServerAccount.IsRoot
            ? "/var/cache/rosetta"
            : Path.Combine(
                Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache
                    ? cache
                    : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"),
                "rosetta"));

    static string Make(string path)
    {
        Directory.CreateDirectory(
            path,
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
                | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        return path;
    }
}
