using Microsoft.Extensions.Logging;
using Npgsql;

namespace Rosetta.Store.Configuration;

/// <summary>
/// The config database: one pool for everything the repositories do, and the rule for its absence.
/// A statement that finds it away fails within <see cref="ConnectTimeout"/> or <see cref="CommandTimeout"/> with
/// <see cref="ConfigDatabaseUnavailableException"/>; errors of the statement itself come as <see cref="PostgresException"/>.
/// </summary>
public sealed partial class ConfigDatabase : IAsyncDisposable
{
    /// <summary>
    /// How long an attempt to connect may take, unless CONFIG_DATABASE_URL says otherwise (<c>connect_timeout</c>, seconds).
    /// Small, so that "away" is an answer and not a hanging request.
    /// </summary>
    public static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    /// <summary>How long a statement may take, unless CONFIG_DATABASE_URL says otherwise (<c>Command Timeout</c>, seconds). The tables are small; whoever needs longer than this does not answer.</summary>
    public static readonly TimeSpan CommandTimeout = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long a transaction may be left open without a word, unless CONFIG_DATABASE_URL says otherwise (<c>Options=-c idle_in_transaction_session_timeout=...</c>):
    /// then the server ends its connection. A node that froze in one would otherwise hold what it had locked against the node that takes over from it.
    /// </summary>
    public static readonly TimeSpan IdleInTransaction = TimeSpan.FromSeconds(10);

    const string IdleInTransactionSetting = "idle_in_transaction_session_timeout";

    static readonly TimeSpan FirstWait = TimeSpan.FromMilliseconds(250);
    static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(5);

    readonly NpgsqlDataSource _dataSource;
    readonly ILogger<ConfigDatabase> _logger;
    readonly TimeProvider _time;

    /// <summary>Set in the view that <see cref="TransactAsync{T}(Func{ConfigDatabase, Task{T}}, Func{T, bool}, CancellationToken)"/> hands out.</summary>
    readonly NpgsqlTransaction? _within;

    /// <param name="url">The value of <c>CONFIG_DATABASE_URL</c>.</param>
    /// <exception cref="ConfigDatabaseSettingException">The value cannot be read.</exception>
    public ConfigDatabase(string? url, ILogger<ConfigDatabase> logger, TimeProvider? time = null)
    {
        _logger = logger;
        _time = time ?? TimeProvider.System;
        Settings = ConfigDatabaseUrl.Parse(url);
        if (string.IsNullOrEmpty(Settings.ApplicationName)) Settings.ApplicationName = "rosetta config";
        if (!IsGiven("Timeout")) Settings.Timeout = (int)ConnectTimeout.TotalSeconds;
        if (!IsGiven("Command Timeout")) Settings.CommandTimeout = (int)CommandTimeout.TotalSeconds;
        if (Settings.Options?.Contains(IdleInTransactionSetting, StringComparison.Ordinal) != true)
            Settings.Options = $"{Settings.Options} -c {IdleInTransactionSetting}={IdleInTransaction.TotalMilliseconds:0}".TrimStart();
        Settings.CancellationTimeout = 1000;
        Settings.IncludeErrorDetail = true;
        if (!IsGiven("Maximum Pool Size")) Settings.MaxPoolSize = 10;
        Settings.ConnectionIdleLifetime = 60;
        _dataSource = NpgsqlDataSource.Create(Settings.ConnectionString);
        StoreTypes.Register();
    }

    ConfigDatabase(ConfigDatabase whole, NpgsqlTransaction within) =>
        (_dataSource, _logger, _time, Settings, _within) = (whole._dataSource, whole._logger, whole._time, whole.Settings, within);

    /// <summary>The settings of every connection; holds the password, so never logged.</summary>
    internal NpgsqlConnectionStringBuilder Settings { get; }

    /// <summary>Named in CONFIG_DATABASE_URL: then it holds. (ContainsKey is true for every keyword that Npgsql knows.)</summary>
    bool IsGiven(string keyword) => Settings.ShouldSerialize(keyword);

    /// <summary>Host, port and database for log lines and messages.</summary>
    public string Where => $"{Settings.Host}:{Settings.Port}/{Settings.Database}";

    /// <summary>For pools of their own to the same place; holds the password, so never logged.</summary>
    public string ConnectionString => Settings.ConnectionString;

    /// <summary>The pool, for code that writes its own SQL on tables it owns (cluster_nodes).</summary>
    public NpgsqlDataSource DataSource => _dataSource;

    /// <summary>Runs a read. A connection that turns out to be broken (the server was restarted) is replaced once.</summary>
    /// <exception cref="ConfigDatabaseUnavailableException">The config database is away.</exception>
    public async Task<T> ReadAsync<T>(Func<NpgsqlConnection, Task<T>> read, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(read);
        try
        {
            return await RunAsync(read, cancellationToken).ConfigureAwait(false);
        }
        catch (ConfigDatabaseUnavailableException e) when (e.InnerException is { } cause && IsBroken(cause))
        {
            // The pool was emptied by RunAsync: this attempt connects anew.
            return await RunAsync(read, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Runs one write, once: whether it was done is not known when the connection breaks in the middle.</summary>
    /// <exception cref="ConfigDatabaseUnavailableException">The config database is away.</exception>
    public Task<T> WriteAsync<T>(Func<NpgsqlConnection, Task<T>> write, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(write);
        return RunAsync(write, cancellationToken);
    }

    /// <summary>Runs several statements as one transaction; an exception rolls it back.</summary>
    /// <exception cref="ConfigDatabaseUnavailableException">The config database is away.</exception>
    public Task<T> TransactAsync<T>(Func<NpgsqlConnection, NpgsqlTransaction, Task<T>> work, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        if (_within is { } outer) return RunAsync(connection => work(connection, outer), cancellationToken);
        return RunAsync(
            async connection =>
            {
                await using var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
                var result = await work(connection, transaction).ConfigureAwait(false);
                await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
                return result;
            },
            cancellationToken);
    }

    /// <summary>
    /// Runs <paramref name="work"/> on a view of this database whose every read and write is part of one transaction; what a write's own transaction
    /// would undo, it undoes there too, by a savepoint. The view is for one caller at a time, and for no longer than <paramref name="work"/> takes.
    /// </summary>
    /// <param name="isKept">Whether the transaction is committed; otherwise, and after an exception, nothing has happened.</param>
    /// <exception cref="ConfigDatabaseUnavailableException">The config database is away.</exception>
    public Task<T> TransactAsync<T>(Func<ConfigDatabase, Task<T>> work, Func<T, bool> isKept, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        ArgumentNullException.ThrowIfNull(isKept);
        if (_within is not null) throw new InvalidOperationException("A transaction of several writes cannot hold another one.");
        return RunAsync(
            async connection =>
            {
                await using var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
                var result = await work(new ConfigDatabase(this, transaction)).ConfigureAwait(false);
                if (isKept(result)) await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
                else await transaction.RollbackAsync(cancellationToken).ConfigureAwait(false);
                return result;
            },
            cancellationToken);
    }

    /// <summary>Returns whether the config database answers now.</summary>
    public async Task<bool> IsAvailableAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await ReadAsync(
                async connection =>
                {
                    await using var command = new NpgsqlCommand("SELECT 1", connection);
                    await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false);
                    return true;
                },
                cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (ConfigDatabaseErrors.IsUnavailable(e) || ConfigDatabaseErrors.IsRefusal(e))
        {
            return false;
        }
    }

    /// <summary>Waits until the config database answers, saying so in the log at every attempt, with capped and jittered pauses.</summary>
    /// <exception cref="ConfigDatabaseSettingException">It answers and refuses: waiting would not help.</exception>
    public async Task WaitUntilAvailableAsync(CancellationToken cancellationToken)
    {
        var pause = FirstWait;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await using var connection = await _dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
                if (attempt > 1) LogAvailable(Where, attempt);
                return;
            }
            catch (PostgresException e) when (ConfigDatabaseErrors.IsRefusal(e))
            {
                throw ConfigDatabaseErrors.Refusal(e, Settings.Host!, Settings.Port, Settings.Database, Settings.Username);
            }
            catch (Exception e) when (ConfigDatabaseErrors.IsUnavailable(e) && !cancellationToken.IsCancellationRequested)
            {
                var wait = Jitter(pause);
                LogWaiting(Where, attempt, e.Message, wait.TotalSeconds);
                await Task.Delay(wait, _time, cancellationToken).ConfigureAwait(false);
                pause = pause * 2 < LongestWait ? pause * 2 : LongestWait;
            }
        }
    }

    public ValueTask DisposeAsync() => _dataSource.DisposeAsync();

    /// <summary>Between half and the whole of <paramref name="pause"/>, so that many nodes do not come back at the same instant.</summary>
    internal static TimeSpan Jitter(TimeSpan pause) => pause * (0.5 + (Random.Shared.NextDouble() / 2));

    async Task<T> RunAsync<T>(Func<NpgsqlConnection, Task<T>> work, CancellationToken cancellationToken)
    {
        if (_within is { } outer) return await RunWithinAsync(outer, work, cancellationToken).ConfigureAwait(false);
        try
        {
            await using var connection = await _dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
            return await work(connection).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (PostgresException e) when (ConfigDatabaseErrors.IsRefusal(e))
        {
            throw new ConfigDatabaseUnavailableException(
                ConfigDatabaseErrors.Refusal(e, Settings.Host!, Settings.Port, Settings.Database, Settings.Username).Message, e);
        }
        catch (Exception e) when (ConfigDatabaseErrors.IsUnavailable(e))
        {
            // A broken connection's idle siblings are of the same age; without this each would fail one caller of its own. After a timeout they
            // may be sound, and a server that is only slow should not have to make them all anew.
            if (IsBroken(e)) _dataSource.Clear();
            throw new ConfigDatabaseUnavailableException($"The config database ({Where}) is away: {e.Message}", e);
        }
    }

    /// <summary>A refusal by a constraint would end the whole transaction; with a savepoint it ends the statement only, as the callers expect.</summary>
    static async Task<T> RunWithinAsync<T>(NpgsqlTransaction outer, Func<NpgsqlConnection, Task<T>> work, CancellationToken cancellationToken)
    {
        const string Step = "step";
        await outer.SaveAsync(Step, cancellationToken).ConfigureAwait(false);
        try
        {
            var result = await work(outer.Connection!).ConfigureAwait(false);
            await outer.ReleaseAsync(Step, cancellationToken).ConfigureAwait(false);
            return result;
        }
        catch (PostgresException e) when (e.SqlState.StartsWith("23", StringComparison.Ordinal))
        {
            await outer.RollbackAsync(Step, cancellationToken).ConfigureAwait(false);
            throw;
        }
    }

    static bool IsBroken(Exception exception) => exception is PostgresException
        {
            SqlState: PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.CannotConnectNow,
        }
        or NpgsqlException { InnerException: IOException };

    [LoggerMessage(1, LogLevel.Warning,
        "The config database [{Where}] does not answer (attempt {Attempt}): {Reason}. Waiting {Seconds:0.0} s. Check CONFIG_DATABASE_URL and the server.")]
    partial void LogWaiting(string where, int attempt, string reason, double seconds);

    [LoggerMessage(2, LogLevel.Information, "The config database [{Where}] answers (attempt {Attempt})")]
    partial void LogAvailable(string where, int attempt);
}
