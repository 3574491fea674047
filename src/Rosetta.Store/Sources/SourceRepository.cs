using Dapper;
using Npgsql;
using Rosetta.Store.Configuration;
using Rosetta.Store.Secrets;

namespace Rosetta.Store.Sources;

/// <summary>The sources of the config database. Every method may throw <see cref="ConfigDatabaseUnavailableException"/>.</summary>
public sealed class SourceRepository(ConfigDatabase database, Installation installation)
{
    internal const string Columns =
        """
        id, name, pg_host AS host, pg_port AS port, pg_database AS database, pg_username AS username, pg_password AS password, pg_ssl_mode AS ssl_mode,
        publication_name, replication_name, created_at, updated_at
        """;

    /// <summary>The page of sources in order of id, and how many there are.</summary>
    public Task<Page<SourceDefinition>> ListAsync(int limit, int offset, CancellationToken cancellationToken) =>
        database.ReadAsync(
            async connection =>
            {
                using var results = await connection.QueryMultipleAsync(new CommandDefinition(
                    $"SELECT count(*) FROM sources; SELECT {Columns} FROM sources ORDER BY id LIMIT @limit OFFSET @offset",
                    new { limit, offset }, cancellationToken: cancellationToken)).ConfigureAwait(false);
                var total = await results.ReadSingleAsync<long>().ConfigureAwait(false);
                var rows = await results.ReadAsync<SourceRow>().ConfigureAwait(false);
                return new Page<SourceDefinition>([.. rows.Select(r => r.Open(installation.Secrets))], total);
            },
            cancellationToken);

    public Task<SourceDefinition?> FindAsync(long id, CancellationToken cancellationToken) =>
        database.ReadAsync(
            async connection => (await FindRowAsync(connection, null, id, cancellationToken).ConfigureAwait(false))?.Open(installation.Secrets),
            cancellationToken);

    public Task<StoreResult<SourceDefinition>> AddAsync(NewSource source, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        return StoreResult.FromAsync(() => database.WriteAsync(
            async connection =>
            {
                var row = await connection.QuerySingleAsync<SourceRow>(new CommandDefinition(
                    $"""
                    INSERT INTO sources (name, pg_host, pg_port, pg_database, pg_username, pg_password, pg_ssl_mode, publication_name, replication_name)
                    VALUES (@Name, @Host, @Port, @Database, @Username, @Sealed, @SslMode, @PublicationName, @ReplicationName)
                    RETURNING {Columns}
                    """,
                    new
                    {
                        source.Name, source.Host, source.Port, source.Database, source.Username, source.SslMode, source.PublicationName,
                        source.ReplicationName, Sealed = Seal(source.Password),
                    },
                    cancellationToken: cancellationToken)).ConfigureAwait(false);
                return StoreResult.Saved(row.Open(installation.Secrets));
            },
            cancellationToken));
    }

    /// <summary>Changes a source. Anything but its name is refused while a pipeline that uses it is started.</summary>
    public Task<StoreResult<SourceDefinition>> ChangeAsync(long id, SourceChange change, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(change);
        return StoreResult.FromAsync(() => database.TransactAsync(
            async (connection, transaction) =>
            {
                var row = await FindRowAsync(connection, transaction, id, cancellationToken, "FOR NO KEY UPDATE").ConfigureAwait(false);
                if (row is null) return StoreResult.Refused<SourceDefinition>(StoreOutcome.NotFound, $"There is no source {id}.");

                var old = row.Open(installation.Secrets);
                var next = change.ApplyTo(old);
                if (next with { Name = old.Name } != old
                    && await StartedPipelines.UsingSourceAsync(connection, transaction, id, cancellationToken).ConfigureAwait(false) is { } started)
                {
                    return StoreResult.Refused<SourceDefinition>(
                        StoreOutcome.IllegalState, $"Pipeline '{started}' is started and uses this source. Pause it before changing the connection.");
                }

                var saved = await connection.QuerySingleAsync<SourceRow>(new CommandDefinition(
                    $"""
                    UPDATE sources SET name = @Name, pg_host = @Host, pg_port = @Port, pg_database = @Database, pg_username = @Username,
                        pg_password = @Sealed, pg_ssl_mode = @SslMode, publication_name = @PublicationName, replication_name = @ReplicationName
                    WHERE id = @Id
                    RETURNING {Columns}
                    """,
                    new
                    {
                        next.Id, next.Name, next.Host, next.Port, next.Database, next.Username, next.SslMode, next.PublicationName, next.ReplicationName,
                        Sealed = change.Password is null ? row.Password : Seal(next.Password),
                    },
                    transaction,
                    cancellationToken: cancellationToken)).ConfigureAwait(false);
                return StoreResult.Saved(saved.Open(installation.Secrets));
            },
            cancellationToken));
    }

    public Task<StoreResult<SourceDefinition>> DeleteAsync(long id, CancellationToken cancellationToken) =>
        StoreResult.FromAsync(() => database.WriteAsync(
            async connection =>
            {
                var row = await connection.QuerySingleOrDefaultAsync<SourceRow>(new CommandDefinition(
                    $"DELETE FROM sources WHERE id = @id RETURNING {Columns}", new { id }, cancellationToken: cancellationToken)).ConfigureAwait(false);
                return row is null
                    ? StoreResult.Refused<SourceDefinition>(StoreOutcome.NotFound, $"There is no source {id}.")
                    : StoreResult.Saved(row.Open(installation.Secrets));
            },
            cancellationToken));

    static Task<SourceRow?> FindRowAsync(
        NpgsqlConnection connection, NpgsqlTransaction? transaction, long id, CancellationToken cancellationToken, string locking = "") =>
        connection.QuerySingleOrDefaultAsync<SourceRow>(new CommandDefinition(
            $"SELECT {Columns} FROM sources WHERE id = @id {locking}", new { id }, transaction, cancellationToken: cancellationToken));

    string? Seal(Secret password) => password.Value is { } value ? installation.Secrets.Protect(value, SecretPlaces.SourcePassword) : null;
}
