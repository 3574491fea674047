using DbUp;
using DbUp.Engine.Output;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Rosetta.Store.Configuration;

/// <summary>
/// Brings the config database's tables up to this version: the SQL files of <c>Migrations/</c>, each in its own transaction, in order, forward only.
/// Nodes that start at the same time take turns (advisory lock); who comes second finds nothing to do.
/// </summary>
public sealed partial class ConfigMigrator(ConfigDatabase database, ILogger<ConfigMigrator> logger)
{
    /// <summary>"rosetta" in ASCII, cut to 63 bits, and 1: the session lock that is held while migrating.</summary>
    internal const long LockKey = 0x726F736574746101;

    /// <summary>Long enough for another node's migration of a large installation.</summary>
    static readonly TimeSpan LockTimeout = TimeSpan.FromMinutes(10);

    const string Prefix = "Rosetta.Store.Migrations.";

    /// <exception cref="ConfigDatabaseUnavailableException">The config database went away meanwhile; starting again goes on where it stopped.</exception>
    /// <exception cref="ConfigDatabaseSettingException">The account may not create tables, or the tables belong to a newer version.</exception>
    public async Task MigrateAsync(CancellationToken cancellationToken)
    {
        var settings = database.Settings;
        try
        {
            await using var holder = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(settings.ConnectionString)
            {
                Pooling = false,
                CommandTimeout = (int)LockTimeout.TotalSeconds,
                KeepAlive = 10,
            }.ConnectionString);
            await holder.OpenAsync(cancellationToken).ConfigureAwait(false);
            await using (var command = new NpgsqlCommand("SELECT pg_advisory_lock($1)", holder))
            {
                command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = LockKey });
                await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
            }

            // DbUp is synchronous; the lock goes with the holder's connection.
            await Task.Run(() => Upgrade(settings), cancellationToken).ConfigureAwait(false);
        }
        catch (PostgresException e) when (ConfigDatabaseErrors.IsRefusal(e))
        {
            throw ConfigDatabaseErrors.Refusal(e, settings.Host!, settings.Port, settings.Database, settings.Username);
        }
        catch (Exception e) when (ConfigDatabaseErrors.IsUnavailable(e))
        {
            throw new ConfigDatabaseUnavailableException($"The config database ({database.Where}) went away while its tables were made: {e.Message}", e);
        }
    }

    void Upgrade(NpgsqlConnectionStringBuilder settings)
    {
        var connectionString = new NpgsqlConnectionStringBuilder(settings.ConnectionString) { Pooling = false, CommandTimeout = 600 }.ConnectionString;
        var upgrader = DeployChanges.To
            .PostgresqlDatabase(connectionString)
            .WithScriptsEmbeddedInAssembly(typeof(ConfigMigrator).Assembly, name => name.StartsWith(Prefix, StringComparison.Ordinal))
            .WithTransactionPerScript()
            .WithVariablesDisabled()
            .WithExecutionTimeout(TimeSpan.FromMinutes(10))
            .LogTo(new UpgradeLog(logger))
            .Build();

        var known = upgrader.GetDiscoveredScripts().Select(s => s.Name).ToHashSet(StringComparer.Ordinal);
        var newer = upgrader.GetExecutedScripts()
            .FirstOrDefault(name => name.StartsWith(Prefix, StringComparison.Ordinal) && !known.Contains(name));
        if (newer is not null)
        {
            throw new ConfigDatabaseSettingException(
                $"The config database ({database.Where}) was migrated by a newer version of Rosetta ({newer[Prefix.Length..]}). "
                + "Start that version, or restore a copy of the database from before the upgrade.");
        }

        var result = upgrader.PerformUpgrade();
        if (result.Successful)
        {
            foreach (var script in result.Scripts) LogApplied(script.Name[Prefix.Length..]);
            return;
        }

        if (result.Error is PostgresException or NpgsqlException) throw result.Error;
        throw new ConfigDatabaseSettingException(
            $"Migration {result.ErrorScript?.Name} of the config database ({database.Where}) failed: {result.Error.Message}", result.Error);
    }

    [LoggerMessage(10, LogLevel.Information, "Config database migration [{Script}] applied")]
    partial void LogApplied(string script);

    /// <summary>DbUp's own lines are of interest only when something goes wrong.</summary>
    sealed class UpgradeLog(ILogger logger) : IUpgradeLog
    {
        public void LogTrace(string format, params object[] args) => Write(LogLevel.Trace, format, args);

        public void LogDebug(string format, params object[] args) => Write(LogLevel.Trace, format, args);

        public void LogInformation(string format, params object[] args) => Write(LogLevel.Debug, format, args);

        public void LogWarning(string format, params object[] args) => Write(LogLevel.Warning, format, args);

        public void LogError(string format, params object[] args) => Write(LogLevel.Error, format, args);

        public void LogError(Exception ex, string format, params object[] args) => Write(LogLevel.Error, format, args);

        void Write(LogLevel level, string format, object[] args)
        {
            if (!logger.IsEnabled(level)) return;
            var line = string.Format(System.Globalization.CultureInfo.InvariantCulture, format, args);
            LogUpgrade(logger, level, line);
        }
    }

    [LoggerMessage(EventId = 11, Message = "Config database migration: {Line}")]
    static partial void LogUpgrade(ILogger logger, LogLevel level, string line);
}
