using Rosetta.Testing.Processes;
using Rosetta.Testing.Servers;

namespace Rosetta.Store.Tests.DeadLetters;

/// <summary>A disk of a few megabytes under a table with payloads: a tmpfs where root may mount one; else the server says, as it would, that there is no room.</summary>
sealed class SmallDisk : IAsyncDisposable
{
    readonly StoreUnderTest _config;
    readonly string _table;
    readonly string? _mounted;

    SmallDisk(StoreUnderTest config, string table, string? mounted) => (_config, _table, _mounted) = (config, table, mounted);

    public static async Task<SmallDisk> MountAsync(PostgresServer server, StoreUnderTest config, string table = "dead_letters")
    {
        if (!Environment.IsPrivilegedProcess)
        {
            await config.ExecuteAsync(
                $"""
                CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
                CREATE TRIGGER full_disk BEFORE INSERT ON {table} FOR EACH ROW WHEN (octet_length(NEW.payload) > 1000) EXECUTE FUNCTION full_disk();
                """);
            return new SmallDisk(config, table, null);
        }

        var path = Path.Combine(Path.GetDirectoryName(server.DataDirectory)!, "small");
        Directory.CreateDirectory(path);
        var owner = (await Command.RunAsync("stat", ["-c", "%u:%g", server.DataDirectory])).Trim();
        await Command.RunAsync("mount", ["-t", "tmpfs", "-o", "size=4m", "rosetta-small", path]);
        await Command.RunAsync("chown", [owner, path]);
        var disk = new SmallDisk(config, table, path);
        try
        {
            await config.ExecuteAsync($"CREATE TABLESPACE small LOCATION '{path}'");
            await config.ExecuteAsync($"ALTER TABLE {table} SET TABLESPACE small");
            return disk;
        }
        catch
        {
            await disk.DisposeAsync();
            throw;
        }
    }

    public async Task GrowAsync()
    {
        if (_mounted is null) await _config.ExecuteAsync($"DROP TRIGGER full_disk ON {_table}");
        else await Command.RunAsync("mount", ["-o", "remount,size=64m", _mounted]);
    }

    public async ValueTask DisposeAsync()
    {
        if (_mounted is null) return;
        await _config.ExecuteAsync($"ALTER TABLE {_table} SET TABLESPACE pg_default");
        await _config.ExecuteAsync("DROP TABLESPACE IF EXISTS small");
        await Command.RunAsync("umount", ["-l", _mounted]);
    }
}
