namespace Rosetta.Store.DeadLetters;

/// <summary>Where dead letters are kept and how they are brought back.</summary>
/// <param name="RedisUrl">Null: in the config database.</param>
/// <param name="KeyPrefix">Of every key in Redis.</param>
/// <param name="CheckInterval">Between two looks at what may be tried again.</param>
/// <param name="BatchSize">Keys whose entries are applied in one transaction, at most.</param>
/// <param name="MaxRetryCount">Tries after which an entry waits for an operator.</param>
/// <param name="MaxAge">Past it an entry is notified; nothing is deleted.</param>
public sealed record DeadLetterSettings(string? RedisUrl, string KeyPrefix, TimeSpan CheckInterval, int BatchSize, int MaxRetryCount, TimeSpan MaxAge)
{
    public static readonly DeadLetterSettings Default = new(null, "rosetta:dlq", TimeSpan.FromSeconds(30), 100, 10, TimeSpan.FromDays(7));

    /// <exception cref="DeadLetterSettingException">A value is wrong.</exception>
    public void Validate()
    {
        if (KeyPrefix.Length is 0 or > 200 || KeyPrefix.Any(char.IsWhiteSpace))
            throw new DeadLetterSettingException("DLQ_KEY_PREFIX must have 1 to 200 characters and no white space.");
        if (RedisUrl is not null)
            DeadLetters.RedisUrl.Parse(RedisUrl);
    }
}

/// <summary>A setting of the dead letter store is wrong; start-up ends with this message.</summary>
public sealed class DeadLetterSettingException(string message) : Exception(message);
