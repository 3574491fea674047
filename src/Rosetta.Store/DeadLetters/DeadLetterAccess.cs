using Rosetta.Core.DeadLetters;

namespace Rosetta.Store.DeadLetters;

/// <summary>The dead letter store of a node: one for its pipelines and its API, made when the config database has been opened.</summary>
public sealed class DeadLetterAccess(ConfigStoreAccess access, DeadLetterSettings settings, TimeProvider time) : IAsyncDisposable
{
    readonly Lock _gate = new();
    IDeadLetterStore? _store;

    public DeadLetterSettings Settings => settings;

    /// <summary>Null until the config database has been opened.</summary>
    /// <exception cref="DeadLetterSettingException">REDIS_URL cannot be read.</exception>
    public IDeadLetterStore? Current
    {
        get
        {
            if (access.Current is not { } config) return null;
            lock (_gate) return _store ??= DeadLetterStores.Create(settings, config, time);
        }
    }

    public ValueTask DisposeAsync() => _store?.DisposeAsync() ?? ValueTask.CompletedTask;
}
