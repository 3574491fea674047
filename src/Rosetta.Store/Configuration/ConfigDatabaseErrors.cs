using System.Net.Sockets;
using Npgsql;

namespace Rosetta.Store.Configuration;

/// <summary>The one place that tells a config database that is away from one that refuses us, and both from an error of the statement.</summary>
public static class ConfigDatabaseErrors
{
    /// <summary>True when the same statement may succeed later without anything being changed.</summary>
    public static bool IsUnavailable(Exception exception) => exception switch
    {
        ConfigDatabaseUnavailableException => true,
        PostgresException e => IsUnavailable(e.SqlState),
        NpgsqlException or SocketException or TimeoutException or IOException => true,
        _ => false,
    };

    /// <summary>True when the account, the database's name or a privilege must be mended.</summary>
    public static bool IsRefusal(Exception exception) => exception is PostgresException { SqlState: var state }
        && (state is PostgresErrorCodes.InvalidCatalogName or PostgresErrorCodes.InsufficientPrivilege
            || state.StartsWith("28", StringComparison.Ordinal));

    /// <summary>What to do about a refusal, in one sentence that names the setting.</summary>
    public static ConfigDatabaseSettingException Refusal(PostgresException e, string host, int port, string? database, string? user) =>
        new(e.SqlState switch
        {
            PostgresErrorCodes.InvalidCatalogName =>
                $"The config database '{database}' does not exist on {host}:{port}. Create it (CREATE DATABASE), or correct CONFIG_DATABASE_URL.",
            PostgresErrorCodes.InsufficientPrivilege =>
                $"User '{user}' may not do what is needed in config database '{database}' on {host}:{port}: {e.MessageText}. "
                + $"Make it the owner (ALTER DATABASE ... OWNER TO ...), or name another user in CONFIG_DATABASE_URL.",
            _ => $"The config database on {host}:{port} refuses user '{user}': {e.MessageText}. Correct user and password in CONFIG_DATABASE_URL, "
                + "or the server's pg_hba.conf.",
        }, e);

    /// <summary>idle_in_transaction_session_timeout; Npgsql has no name for it.</summary>
    const string IdleInTransactionSessionTimeout = "25P03";

    static bool IsUnavailable(string state) =>
        state is PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.CannotConnectNow
            or PostgresErrorCodes.TooManyConnections or PostgresErrorCodes.ReadOnlySqlTransaction
            or PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.QueryCanceled or PostgresErrorCodes.DiskFull
            or PostgresErrorCodes.DeadlockDetected or IdleInTransactionSessionTimeout
        || state.StartsWith("08", StringComparison.Ordinal);
}
