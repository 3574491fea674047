using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using StackExchange.Redis;

namespace Rosetta.Store.DeadLetters;

/// <summary>What an error of Redis means, and what mends it.</summary>
static class RedisFaults
{
    /// <summary>Of <see cref="RedisServerException"/>: Redis begins its errors with a word; of a script's error older versions say that word in the middle.</summary>
    static readonly (string Word, ErrorClass Class, string Remedy)[] Words =
    [
        ("OOM", ErrorClass.Operator, "Redis is full, and deletes nothing (maxmemory-policy noeviction): give it more memory (CONFIG SET maxmemory ..., and in redis.conf), or mend what refuses the changes: those that come back make room."),
        ("READONLY", ErrorClass.Transient, "It is a replica now: name the primary in REDIS_URL."),
        ("LOADING", ErrorClass.Transient, "It reads its data after a start; this ends by itself."),
        ("BUSY", ErrorClass.Transient, "Another script takes long there (SCRIPT KILL ends it)."),
        ("MASTERDOWN", ErrorClass.Transient, "Start the primary of this replica, or name the primary in REDIS_URL."),
        ("MISCONF", ErrorClass.Operator, "It cannot write to its disk: look into its log, and make room."),
        ("NOAUTH", ErrorClass.Operator, "Give the password in REDIS_URL: redis://user:password@host:port."),
        ("WRONGPASS", ErrorClass.Operator, "Correct user and password in REDIS_URL."),
        ("NOPERM", ErrorClass.Operator, "Let the user run scripts and the commands in them: ACL SETUSER name ~* +@all, or +eval +@read +@write +@stream +@hash +@sortedset +@set +info +config|get."),
        ("CROSSSLOT", ErrorClass.Operator, "Redis Cluster is not supported: name a Redis of its own in REDIS_URL."),
        ("MOVED", ErrorClass.Operator, "Redis Cluster is not supported: name a Redis of its own in REDIS_URL."),
        ("WRONGTYPE", ErrorClass.Operator, "Others use keys of this prefix: choose another DLQ_KEY_PREFIX, or another database of the Redis."),
    ];

    public static bool IsOne(Exception error) => error is RedisException or RedisCommandException or TimeoutException;

    public static DeadLetterStoreException ToException(string where, Exception error, bool isReplica) => new(ToFault(where, error, isReplica), error);

    static Fault ToFault(string where, Exception error, bool isReplica)
    {
        var known = Find(error.Message) ?? Find(error.InnerException?.Message) ?? (isReplica ? Find("READONLY ") : null);
        if (known is { } found)
            return new Fault(found.Class, $"The Redis at {where} refuses: {found.Word}.", found.Remedy);
        if (error is RedisConnectionException { FailureType: ConnectionFailureType.AuthenticationFailure })
            return new Fault(ErrorClass.Operator, $"The Redis at {where} does not let us in.", "Correct user and password in REDIS_URL.");
        if (error is RedisServerException)
            return new Fault(ErrorClass.Operator, $"The Redis at {where} refuses: {error.Message}", "Look into its log; dead letters need Redis 5 or later.");
        return new Fault(
            ErrorClass.Transient, $"The Redis at {where} does not answer.",
            "Start it, or correct REDIS_URL. Until then nothing is parked and nothing is skipped.");
    }

    static (string Word, ErrorClass Class, string Remedy)? Find(string? message)
    {
        if (message is null) return null;
        foreach (var word in Words)
        {
            if (message.StartsWith($"{word.Word} ", StringComparison.Ordinal) || message.Contains($"-{word.Word} ", StringComparison.Ordinal)
                || message.Contains($": {word.Word} ", StringComparison.Ordinal))
                return word;
        }

        return null;
    }
}
