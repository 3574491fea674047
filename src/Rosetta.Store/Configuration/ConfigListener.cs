using Microsoft.Extensions.Logging;
using Npgsql;

namespace Rosetta.Store.Configuration;

/// <summary>
/// Listens on channel <c>rosetta_config</c> over a connection of its own. A wake-up on top of polling, never instead of it:
/// while it is disconnected nothing else stops, and after each connect it announces <see cref="ConfigChange.Unknown"/>, because something may have been missed.
/// </summary>
public sealed partial class ConfigListener(ConfigDatabase database, ILogger<ConfigListener> logger, TimeProvider? time = null)
{
    /// <summary>The channel of the triggers (migration 0006).</summary>
    public const string Channel = "rosetta_config";

    static readonly TimeSpan FirstWait = TimeSpan.FromMilliseconds(250);
    static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    readonly TimeProvider _time = time ?? TimeProvider.System;

    /// <summary>Runs until cancelled; failures are logged, reported through <paramref name="onConnection"/> and retried with capped, jittered pauses.</summary>
    /// <param name="onChange">Called for each announcement; must return quickly and not throw.</param>
    /// <param name="onConnection">Called with true after LISTEN, with false when the connection is lost.</param>
    public async Task RunAsync(Action<ConfigChange> onChange, Action<bool> onConnection, CancellationToken cancellationToken)
    {
        var pause = FirstWait;
        while (!cancellationToken.IsCancellationRequested)
        {
            var connected = false;
            try
            {
                await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(database.Settings.ConnectionString)
                {
                    Pooling = false,
                    // A server that is frozen or unplugged never closes the connection: ask it every few seconds.
                    KeepAlive = 5,
                    ApplicationName = "rosetta listen",
                }.ConnectionString);
                connection.Notification += (_, e) => onChange(ConfigChange.Parse(e.Payload));
                await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
                await using (var listen = new NpgsqlCommand($"LISTEN {Channel}", connection))
                    await listen.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);

                connected = true;
                pause = FirstWait;
                LogListening(database.Where);
                onConnection(true);
                onChange(ConfigChange.Unknown);
                while (true) await connection.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (ConfigDatabaseErrors.IsUnavailable(e) || e is PostgresException or OperationCanceledException)
            {
                if (connected) onConnection(false);
                var wait = ConfigDatabase.Jitter(pause);
                LogLost(database.Where, e.Message, wait.TotalSeconds);
                try
                {
                    await Task.Delay(wait, _time, cancellationToken).ConfigureAwait(false);
                }
                catch (OperationCanceledException)
                {
                    return;
                }

                pause = pause * 2 < LongestWait ? pause * 2 : LongestWait;
            }
        }
    }

    [LoggerMessage(20, LogLevel.Information, "Listening for configuration changes at [{Where}]")]
    partial void LogListening(string where);

    [LoggerMessage(21, LogLevel.Warning,
        "Not listening for configuration changes at [{Where}]: {Reason}. Changes are found by polling; trying again in {Seconds:0.0} s")]
    partial void LogLost(string where, string reason, double seconds);
}
