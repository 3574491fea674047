using Microsoft.Extensions.Logging;
using Rosetta.Store.Configuration;
using Rosetta.Store.Secrets;

namespace Rosetta.Store;

/// <summary>
/// The config database of a node that may be away when the node starts: <see cref="Current"/> is null until it has been reached, migrated
/// and its key proved. The API answers 503 meanwhile.
/// </summary>
/// <param name="secretKey">SECRET_KEY, null when it is not set.</param>
/// <param name="keyFile">Where a made key is kept.</param>
public sealed class ConfigStoreAccess(ConfigDatabase database, string? secretKey, string keyFile, ILoggerFactory loggers)
{
    readonly TaskCompletionSource<ConfigStore> _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ConfigDatabase Database { get; } = database;

    /// <summary>Null until it has been opened.</summary>
    public ConfigStore? Current => _opened.Task.IsCompletedSuccessfully ? _opened.Task.Result : null;

    /// <summary>Completes when it has been opened.</summary>
    public Task<ConfigStore> WhenOpened(CancellationToken cancellationToken) => _opened.Task.WaitAsync(cancellationToken);

    /// <summary>Waits for the config database as long as it takes, saying so, then migrates it and proves the key.</summary>
    /// <exception cref="SecretKeyException">The key is missing, too short or not this installation's: the node must stop.</exception>
    /// <exception cref="ConfigDatabaseSettingException">An operator must act: the node must stop.</exception>
    public async Task<ConfigStore> OpenAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                await Database.WaitUntilAvailableAsync(cancellationToken).ConfigureAwait(false);
                await new ConfigMigrator(Database, loggers.CreateLogger<ConfigMigrator>()).MigrateAsync(cancellationToken).ConfigureAwait(false);
                var installation = await new InstallationOpener(Database, loggers.CreateLogger<InstallationOpener>())
                    .OpenAsync(secretKey, keyFile, cancellationToken).ConfigureAwait(false);
                var store = new ConfigStore(Database, installation);
                _opened.TrySetResult(store);
                return store;
            }
            catch (ConfigDatabaseUnavailableException)
            {
                // It went away again between two steps; the wait says so and goes on. A pause, in case it answers and fails at once every time.
                await Task.Delay(ConfigDatabase.Jitter(TimeSpan.FromSeconds(1)), cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
