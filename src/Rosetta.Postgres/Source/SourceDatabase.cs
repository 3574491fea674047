using Npgsql;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Source;

/// <summary>
/// The door to a source for everything but its stream and snapshots: short sessions that never wait long for a lock, never stay idle in a
/// transaction and never hang behind somebody's standby. One that has done its work is kept for a second or two, for whoever comes next: making a session
/// costs the source more than most of what is asked in it.
/// </summary>
public sealed class SourceDatabase : IAsyncDisposable
{
    /// <summary>
    /// Longest wait for a lock. Above deadlock_timeout (1 s by default): only after that does an autovacuum give way to us.
    /// </summary>
    public static readonly TimeSpan LockTimeout = TimeSpan.FromSeconds(3);

    static readonly TimeSpan StatementTimeout = TimeSpan.FromSeconds(60);
    static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(15);

    const int MostSessions = 20;
    const int KeptSeconds = 1;

    readonly NpgsqlDataSource _source;

    /// <param name="endpoint">Its application name is what others see of us, see <see cref="Core.Pipelines.SessionName"/>.</param>
    public SourceDatabase(PgEndpoint endpoint)
    {
        Endpoint = endpoint;
        var settings = endpoint
            .With("search_path", "pg_catalog")
            .With("lock_timeout", Milliseconds(LockTimeout))
            .With("statement_timeout", Milliseconds(StatementTimeout))
            .With("idle_in_transaction_session_timeout", "10000")
            .With("synchronous_commit", "local")
            .With("default_transaction_isolation", "read committed")
            .With("jit", "off");
        var text = new NpgsqlConnectionStringBuilder(settings.ToNpgsql())
        {
            MaxPoolSize = MostSessions,
            ConnectionIdleLifetime = KeptSeconds,
            ConnectionPruningInterval = KeptSeconds,
            Timeout = (int)ConnectTimeout.TotalSeconds,
            CommandTimeout = (int)StatementTimeout.TotalSeconds + 15,
        }.ConnectionString;
        var builder = new NpgsqlDataSourceBuilder(text);
        // Users' types are none of our business here; reading them all costs a query per data source.
        builder.ConfigureTypeLoading(types => types.EnableTypeLoading(false));
        _source = builder.Build();
    }

    public PgEndpoint Endpoint { get; }

    /// <summary>A session in its first state; the caller disposes of it soon.</summary>
    /// <exception cref="NpgsqlException">Not reachable, or refused (then a <see cref="PostgresException"/>).</exception>
    public async Task<NpgsqlConnection> OpenAsync(CancellationToken cancellationToken) => await _source.OpenConnectionAsync(cancellationToken);

    public ValueTask DisposeAsync() => _source.DisposeAsync();

    /// <summary>Runs one or several statements in one session.</summary>
    public async Task ExecuteAsync(string sql, CancellationToken cancellationToken)
    {
        await using var connection = await OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    static string Milliseconds(TimeSpan time) => time.TotalMilliseconds.ToString("F0", System.Globalization.CultureInfo.InvariantCulture);
}
