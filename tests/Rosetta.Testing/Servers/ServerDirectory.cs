using System.Globalization;
using Rosetta.Testing.Processes;

namespace Rosetta.Testing.Servers;

/// <summary>
/// The directory of one server: <c>owner</c> (the process that started it), <c>data</c>, <c>log</c>. All such directories together
/// are the register from which a later run finds servers whose owner was killed.
/// </summary>
static class ServerDirectory
{
    static readonly TimeSpan StopDeadline = TimeSpan.FromSeconds(10);
    static readonly Lock Guard = new();
    static readonly HashSet<string> Open = [];
    static bool hooked;

    public static async Task<string> CreateAsync(string name, CancellationToken cancellationToken)
    {
        if (name.Length == 0 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'))
            throw new ArgumentException($"A server's name has letters, digits, '-' and '_' only, not '{name}'", nameof(name));
        ReapOrphans();
        var path = Path.Combine(ServerFolders.Servers, $"{name[..Math.Min(name.Length, 24)]}-{Guid.NewGuid():N}"[..^24]);
        lock (Guard)
        {
            Open.Add(path);
            if (!hooked)
            {
                hooked = true;
                AppDomain.CurrentDomain.ProcessExit += (_, _) => RemoveAll();
            }
        }
        await ServerAccount.CreateDirectoryAsync(path, cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(path, "owner"), ProcessIdentity.Current.Format(), cancellationToken);
        return path;
    }

    /// <summary>The living server process of a data directory, from the first line of its pid file.</summary>
    public static ProcessIdentity? FindServer(string path)
    {
        try
        {
            var line = File.ReadLines(Path.Combine(path, "data", "postmaster.pid")).FirstOrDefault();
            if (!int.TryParse(line, CultureInfo.InvariantCulture, out var id))
                return null;
            // The file may be stale and the id reused: the process must have been started for this very directory.
            return File.ReadAllText($"/proc/{id}/cmdline").Contains(path, StringComparison.Ordinal) ? ProcessIdentity.Find(id) : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Ends the server of the directory, however it is, and removes the directory.</summary>
    public static void Remove(string path)
    {
        if (FindServer(path) is { } server)
            End(server);
        SmallDisk.Unmount(path);
        try
        {
            Directory.Delete(path, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Another run was quicker.
        }
        lock (Guard)
            Open.Remove(path);
    }

    static void End(ProcessIdentity server)
    {
        var children = server.Children();
        server.Signal(PosixSignalNumber.Quit);
        // A frozen server takes the signal only when it goes on.
        server.Signal(PosixSignalNumber.Continue);
        foreach (var child in children)
            child.Signal(PosixSignalNumber.Continue);
        if (SpinWait.SpinUntil(() => !server.IsAlive || Nap(), StopDeadline) && !server.IsAlive)
            return;
        foreach (var process in children.Append(server))
            process.Signal(PosixSignalNumber.Kill);

        static bool Nap()
        {
            Thread.Sleep(5);
            return false;
        }
    }

    // Servers whose owner was killed before it could stop them.
    static void ReapOrphans()
    {
        using var held = FileLock.TryAcquire(Path.Combine(ServerFolders.Servers, ".reaping"));
        if (held is null)
            return;
        foreach (var path in Directory.EnumerateDirectories(ServerFolders.Servers))
        {
            var owner = ReadOwner(path);
            if (owner is { } known ? !known.IsAlive : Directory.GetLastWriteTimeUtc(path) < DateTime.UtcNow.AddMinutes(-5))
                Remove(path);
        }
    }

    static ProcessIdentity? ReadOwner(string path)
    {
        try
        {
            return ProcessIdentity.Parse(File.ReadAllText(Path.Combine(path, "owner")));
        }
        catch (IOException)
        {
            return null;
        }
    }

    static void RemoveAll()
    {
        string[] paths;
        lock (Guard)
            paths = [.. Open];
        foreach (var path in paths)
            Remove(path);
    }
}
