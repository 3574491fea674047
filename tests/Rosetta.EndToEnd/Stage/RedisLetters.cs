using Rosetta.Testing.Servers;
using StackExchange.Redis;

namespace Rosetta.EndToEnd.Stage;

/// <summary>A Redis with dead letters, looked at and managed as its operator does.</summary>
static class RedisLetters
{
    /// <summary>How many things are kept of dead letters, see <see cref="FindAsync"/>.</summary>
    public static async Task<long> CountAsync(RedisServer redis) => (await FindAsync(redis)).Values.Sum();

    /// <summary>How many payloads are kept.</summary>
    public static async Task<long> EntriesAsync(RedisServer redis) => (await FindAsync(redis, RedisType.Stream)).Values.Sum();

    /// <summary>Everything that is kept of dead letters, by key: entries of streams, places in indexes, notes of tries. A pipeline that is done leaves none.</summary>
    /// <param name="only">Only of such keys.</param>
    public static async Task<IReadOnlyDictionary<string, long>> FindAsync(RedisServer redis, RedisType? only = null)
    {
        await using var connection = await ConnectionMultiplexer.ConnectAsync(redis.ConnectionString);
        var database = connection.GetDatabase();
        var found = new Dictionary<string, long>();
        await foreach (var key in connection.GetServer(redis.Host, redis.Port).KeysAsync(pattern: "rosetta:dlq:*"))
        {
            var type = await database.KeyTypeAsync(key);
            var count = type switch
            {
                _ when only is not null && type != only => 0,
                RedisType.Stream => await database.StreamLengthAsync(key),
                RedisType.SortedSet => await database.SortedSetLengthAsync(key),
                RedisType.Set => await database.SetLengthAsync(key),
                // The queue's own hash has its epoch.
                RedisType.Hash => (await database.HashKeysAsync(key)).LongCount(field => field != "epoch"),
                _ => 0,
            };
            if (count > 0)
                found[key!] = count;
        }

        return found;
    }

    public static async Task<string?> RunAsync(RedisServer redis, string command)
    {
        await using var connection = await ConnectionMultiplexer.ConnectAsync(redis.ConnectionString);
        var words = command.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return (await connection.GetDatabase().ExecuteAsync(words[0], [.. words[1..]])).ToString();
    }

    /// <summary>Word by word what a remedy says, as far as it is commands.</summary>
    public static async Task FollowAsync(RedisServer redis, string remedy)
    {
        foreach (var command in remedy.Replace("In Redis: ", "", StringComparison.Ordinal).Split(';', StringSplitOptions.TrimEntries).Where(c => c.StartsWith("CONFIG SET", StringComparison.Ordinal)))
            await RunAsync(redis, command);
    }
}
