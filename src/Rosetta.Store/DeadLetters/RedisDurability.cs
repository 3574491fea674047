using Rosetta.Core.Errors;
using StackExchange.Redis;

namespace Rosetta.Store.DeadLetters;

/// <summary>What a Redis says of itself, as far as a change's only copy depends on it. Null: it does not say.</summary>
/// <param name="MaxMemory">Bytes; 0: no bound.</param>
/// <param name="NoFsyncOnRewrite">Then nothing is flushed while the file is rewritten.</param>
sealed record RedisDurability(
    bool IsReplica, bool IsCluster, bool HasAppendOnlyFile, bool CanWriteFile, long? MaxMemory, string? EvictionPolicy, string? Fsync, bool? NoFsyncOnRewrite)
{
    /// <exception cref="Rosetta.Core.DeadLetters.DeadLetterStoreException">It is away.</exception>
    public static Task<RedisDurability> ReadAsync(RedisConnection connection, CancellationToken cancellationToken) =>
        connection.RunAsync(
            async database =>
            {
                var lines = ((string)(await database.ExecuteAsync("INFO", "all").ConfigureAwait(false))!)
                    .Split('\n', StringSplitOptions.TrimEntries).Select(line => line.Split(':', 2)).Where(parts => parts.Length == 2)
                    .GroupBy(parts => parts[0], StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.First()[1], StringComparer.Ordinal);
                return new RedisDurability(
                    lines.GetValueOrDefault("role") == "slave", lines.GetValueOrDefault("redis_mode") == "cluster", lines.GetValueOrDefault("aof_enabled") == "1",
                    lines.GetValueOrDefault("aof_last_write_status") is null or "ok",
                    lines.TryGetValue("maxmemory", out var bytes) ? long.Parse(bytes, System.Globalization.CultureInfo.InvariantCulture) : null,
                    lines.GetValueOrDefault("maxmemory_policy"), await ConfigAsync(database, "appendfsync").ConfigureAwait(false),
                    await ConfigAsync(database, "no-appendfsync-on-rewrite").ConfigureAwait(false) is { } value ? value == "yes" : null);
            },
            cancellationToken);

    /// <summary>Null: what it has acknowledged is on its disk, and stays.</summary>
    public Fault? Judge(string where)
    {
        if (IsReplica) return Refuse(where, "it is a replica", "Name the primary in REDIS_URL.");
        if (IsCluster) return Refuse(where, "it is part of a Redis Cluster, which is not supported", "Name a Redis of its own in REDIS_URL.");
        var (reasons, settings) = (new List<string>(), new List<string>());
        if (!HasAppendOnlyFile) Add("it has no append-only file", "CONFIG SET appendonly yes");
        if (Fsync is not null and not "always") Add($"appendfsync is {Fsync}, so an acknowledged change may be lost", "CONFIG SET appendfsync always");
        if (NoFsyncOnRewrite is true) Add("it does not flush while it rewrites its file", "CONFIG SET no-appendfsync-on-rewrite no");
        if (MaxMemory is not 0 && EvictionPolicy is not "noeviction")
            Add($"it deletes entries when it is full (maxmemory-policy {EvictionPolicy ?? "is not shown"})", "CONFIG SET maxmemory-policy noeviction");
        if (reasons.Count > 0) return Refuse(where, string.Join("; ", reasons), $"In Redis: {string.Join("; ", settings)}; and CONFIG REWRITE, to keep that over a restart.");
        if (Fsync is null || NoFsyncOnRewrite is null)
        {
            return Refuse(
                where, "it does not show appendfsync: CONFIG GET is forbidden to us",
                "Allow it (ACL SETUSER name +config|get; where the provider forbids CONFIG, leave REDIS_URL out: dead letters are then kept in the config database).");
        }

        return CanWriteFile ? null : Refuse(where, "it cannot write to its append-only file", "Look into its log, and make room on its disk.");

        void Add(string reason, string setting)
        {
            reasons.Add(reason);
            settings.Add(setting);
        }
    }

    static Fault Refuse(string where, string reason, string remedy) =>
        new(ErrorClass.Operator, $"The Redis at {where} may not be the only copy of a change: {reason}.", remedy);

    // Forbidden to the user, or renamed away.
    static async Task<string?> ConfigAsync(IDatabase database, string name)
    {
        try
        {
            var answer = await database.ExecuteAsync("CONFIG", "GET", name).ConfigureAwait(false);
            return answer.Length == 2 ? (string?)answer[1] : null;
        }
        catch (RedisServerException e) when (e.Message.StartsWith("NOPERM", StringComparison.Ordinal) || e.Message.Contains("unknown command", StringComparison.Ordinal))
        {
            return null;
        }
    }
}
