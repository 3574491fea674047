using System.Text.Json.Nodes;
using Dapper;
using Rosetta.Core.Pipelines;
using Rosetta.Store.Configuration;
using Rosetta.Store.Secrets;

namespace Rosetta.Store.Destinations;

/// <summary>The destinations of the config database. Every method may throw <see cref="ConfigDatabaseUnavailableException"/>.</summary>
public sealed class DestinationRepository(ConfigDatabase database, Installation installation)
{
    public Task<Page<DestinationDefinition>> ListAsync(int limit, int offset, CancellationToken cancellationToken) =>
        database.ReadAsync(
            async connection =>
            {
                using var results = await connection.QueryMultipleAsync(new CommandDefinition(
                    $"SELECT count(*) FROM destinations; SELECT {DestinationRow.Columns} FROM destinations ORDER BY id LIMIT @limit OFFSET @offset",
                    new { limit, offset }, cancellationToken: cancellationToken)).ConfigureAwait(false);
                var total = await results.ReadSingleAsync<long>().ConfigureAwait(false);
                var rows = await results.ReadAsync<DestinationRow>().ConfigureAwait(false);
                return new Page<DestinationDefinition>([.. rows.Select(r => r.Open(installation.Secrets))], total);
            },
            cancellationToken);

    public Task<DestinationDefinition?> FindAsync(long id, CancellationToken cancellationToken) =>
        database.ReadAsync(
            async connection => (await connection.QuerySingleOrDefaultAsync<DestinationRow>(new CommandDefinition(
                $"SELECT {DestinationRow.Columns} FROM destinations WHERE id = @id", new { id }, cancellationToken: cancellationToken))
                .ConfigureAwait(false))?.Open(installation.Secrets),
            cancellationToken);

    public Task<StoreResult<DestinationDefinition>> AddAsync(NewDestination destination, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(destination);
        return StoreResult.FromAsync(() => database.WriteAsync(
            async connection =>
            {
                var row = await connection.QuerySingleAsync<DestinationRow>(new CommandDefinition(
                    $"INSERT INTO destinations (name, type, config) VALUES (@Name, @Type, @Config::jsonb) RETURNING {DestinationRow.Columns}",
                    new { destination.Name, Type = destination.Type.ToName(), Config = Seal(destination.Config) },
                    cancellationToken: cancellationToken)).ConfigureAwait(false);
                return StoreResult.Saved(row.Open(installation.Secrets));
            },
            cancellationToken));
    }

    /// <summary>Changes a destination. Anything but its name is refused while a pipeline that uses it is started.</summary>
    public Task<StoreResult<DestinationDefinition>> ChangeAsync(long id, DestinationChange change, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(change);
        return StoreResult.FromAsync(() => database.TransactAsync(
            async (connection, transaction) =>
            {
                var row = await connection.QuerySingleOrDefaultAsync<DestinationRow>(new CommandDefinition(
                    $"SELECT {DestinationRow.Columns} FROM destinations WHERE id = @id FOR NO KEY UPDATE", new { id }, transaction,
                    cancellationToken: cancellationToken)).ConfigureAwait(false);
                if (row is null) return StoreResult.Refused<DestinationDefinition>(StoreOutcome.NotFound, $"There is no destination {id}.");

                var old = row.Open(installation.Secrets).Config.Fields;
                var next = change.ApplyTo(old);
                var same = JsonNode.DeepEquals(old, next);
                if (!same && await StartedPipelines.UsingDestinationAsync(connection, transaction, id, cancellationToken).ConfigureAwait(false) is { } started)
                {
                    return StoreResult.Refused<DestinationDefinition>(
                        StoreOutcome.IllegalState, $"Pipeline '{started}' is started and uses this destination. Pause it before changing the connection.");
                }

                var saved = await connection.QuerySingleAsync<DestinationRow>(new CommandDefinition(
                    $"UPDATE destinations SET name = @Name, config = @Config::jsonb WHERE id = @Id RETURNING {DestinationRow.Columns}",
                    new { Id = id, Name = change.Name ?? row.Name, Config = same ? row.Config : Seal(next) }, transaction,
                    cancellationToken: cancellationToken)).ConfigureAwait(false);
                return StoreResult.Saved(saved.Open(installation.Secrets));
            },
            cancellationToken));
    }

    public Task<StoreResult<DestinationDefinition>> DeleteAsync(long id, CancellationToken cancellationToken) =>
        StoreResult.FromAsync(() => database.WriteAsync(
            async connection =>
            {
                var row = await connection.QuerySingleOrDefaultAsync<DestinationRow>(new CommandDefinition(
                    $"DELETE FROM destinations WHERE id = @id RETURNING {DestinationRow.Columns}", new { id }, cancellationToken: cancellationToken))
                    .ConfigureAwait(false);
                return row is null
                    ? StoreResult.Refused<DestinationDefinition>(StoreOutcome.NotFound, $"There is no destination {id}.")
                    : StoreResult.Saved(row.Open(installation.Secrets));
            },
            cancellationToken));

    string Seal(JsonObject config) => SecretPlaces.MapSecrets(config, installation.Secrets.Protect).ToJsonString();
}
