using System.Diagnostics;
using Rosetta.Testing.Processes;

namespace Rosetta.Testing.Servers;

/// <summary>A disk of a few megabytes under a table with payloads: a tmpfs where root may mount one; else the server says, as it would, that there is no room.</summary>
public sealed class SmallDisk : IAsyncDisposable
{
    readonly PostgresServer _server;
    readonly string _database;
    readonly string _table;
    readonly string? _mounted;

    SmallDisk(PostgresServer server, string database, string table, string? mounted) => (_server, _database, _table, _mounted) = (server, database, table, mounted);

    /// <param name="table">Has a column <c>payload</c>.</param>
    public static async Task<SmallDisk> MountAsync(PostgresServer server, string database, string table)
    {
        ArgumentNullException.ThrowIfNull(server);
        if (!Environment.IsPrivilegedProcess)
        {
            await server.ExecuteAsync(
                $"""
                CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
                CREATE TRIGGER full_disk BEFORE INSERT ON {table} FOR EACH ROW WHEN (octet_length(NEW.payload) > 1000) EXECUTE FUNCTION full_disk();
                """,
                database);
            return new SmallDisk(server, database, table, null);
        }

        var path = PathIn(Path.GetDirectoryName(server.DataDirectory)!);
        Directory.CreateDirectory(path);
        var owner = (await Command.RunAsync("stat", ["-c", "%u:%g", server.DataDirectory])).Trim();
        await Command.RunAsync("mount", ["-t", "tmpfs", "-o", "size=4m", "rosetta-small", path]);
        await Command.RunAsync("chown", [owner, path]);
        var disk = new SmallDisk(server, database, table, path);
        try
        {
            await server.ExecuteAsync($"CREATE TABLESPACE small LOCATION '{path}'", database);
            await server.ExecuteAsync($"ALTER TABLE {table} SET TABLESPACE small", database);
            return disk;
        }
        catch
        {
            await disk.DisposeAsync();
            throw;
        }
    }

    /// <summary>Lets go what is mounted in a server's directory, which cannot be removed before: whoever mounted it may have been killed.</summary>
    internal static void Unmount(string directory)
    {
        var path = PathIn(directory);
        if (!File.ReadLines("/proc/self/mounts").Any(line => line.Split(' ')[1] == path))
            return;
        using var umount = Process.Start("umount", ["-l", path]);
        umount.WaitForExit();
    }

    static string PathIn(string directory) => Path.Combine(directory, "small");

    /// <summary>There is room from now on.</summary>
    public async Task GrowAsync()
    {
        if (_mounted is null) await _server.ExecuteAsync($"DROP TRIGGER full_disk ON {_table}", _database);
        else await Command.RunAsync("mount", ["-o", "remount,size=512m", _mounted]);
    }

    public async ValueTask DisposeAsync()
    {
        if (_mounted is null) return;
        await _server.ExecuteAsync($"ALTER TABLE {_table} SET TABLESPACE pg_default", _database);
        await _server.ExecuteAsync("DROP TABLESPACE IF EXISTS small", _database);
        await Command.RunAsync("umount", ["-l", _mounted]);
    }
}
