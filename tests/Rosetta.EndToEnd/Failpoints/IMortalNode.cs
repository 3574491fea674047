using Rosetta.Client;

namespace Rosetta.EndToEnd.Failpoints;

/// <summary>A node that dies at a failpoint, without clean-up, and is started again in the same place.</summary>
public interface IMortalNode : IAsyncDisposable
{
    ApiClient Api { get; }

    bool IsDead { get; }

    /// <param name="dieAt">The failpoint at whose first hit it dies; null: none.</param>
    /// <param name="settings">Of this start only, as environment variables are named.</param>
    Task StartAsync(string? dieAt, bool waitUntilReady, IReadOnlyDictionary<string, string?>? settings = null);

    /// <summary>Waits until it has died, at the failpoint and not of something else.</summary>
    Task WaitForDeathAsync(TimeSpan deadline);

    /// <summary>Dies now.</summary>
    Task KillAsync();
}
