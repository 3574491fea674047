using Rosetta.Core.DeadLetters;

namespace Rosetta.Store.DeadLetters;

/// <summary>Chooses the store: a Redis where one is named, else the config database.</summary>
public static class DeadLetterStores
{
    /// <summary>Connects to nothing yet. That it may be used, durably and instead of another one, its check says, and every write.</summary>
    /// <exception cref="DeadLetterSettingException">REDIS_URL cannot be read.</exception>
    public static IDeadLetterStore Create(DeadLetterSettings settings, ConfigStore config, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(config);
        settings.Validate();
        var record = new StoreRecord(config.Database, config.Installation.Uuid);
        return settings.RedisUrl is { } url
            ? new RedisDeadLetterStore(url, settings.KeyPrefix, record, time)
            : new ConfigDeadLetterStore(config.Database, record);
    }
}
