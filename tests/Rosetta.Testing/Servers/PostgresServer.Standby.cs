using Rosetta.Testing.Waiting;

namespace Rosetta.Testing.Servers;

// Physical standbys.
public sealed partial class PostgresServer
{
    static readonly TimeSpan PromotionDeadline = TimeSpan.FromSeconds(60);

    /// <summary>Makes a streaming standby of this server (pg_basebackup), and returns when it answers questions. Replication slots are not taken along.</summary>
    /// <exception cref="PostgresServerException">It could not be made or did not start.</exception>
    public async Task<PostgresServer> StartStandbyAsync(string name = "standby", CancellationToken cancellationToken = default)
    {
        var options = _options with { Name = name, Port = null };
        var standby = new PostgresServer(options, _binaries, await ServerDirectory.CreateAsync(name, cancellationToken));
        try
        {
            await ServerAccount.RunAsync(
                _binaries.Program("pg_basebackup"),
                ["-h", Host, "-p", $"{Port}", "-U", "postgres", "-D", standby.DataDirectory, "-R", "-X", "stream", "-c", "fast", "--no-sync"], cancellationToken);
            await PostgresConfiguration.AppendAsync(
                new Dictionary<string, string> { ["unix_socket_directories"] = standby._directory, ["hot_standby"] = "on" }, standby.DataDirectory, cancellationToken);
            await standby.StartAsync(cancellationToken);
            return standby;
        }
        catch
        {
            await standby.DisposeAsync();
            throw;
        }
    }

    /// <summary>Makes a primary of a standby; it goes on on a timeline of its own.</summary>
    public async Task PromoteAsync()
    {
        await ExecuteAsync("SELECT pg_promote(wait => false)");
        await Wait.UntilAsync(async () => !await ScalarAsync<bool>("SELECT pg_is_in_recovery()"), $"PostgreSQL server {Name} to be promoted", PromotionDeadline);
    }
}
