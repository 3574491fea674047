using Dapper;
using Rosetta.Store.Configuration;
using Rosetta.Store.Pipelines;

namespace Rosetta.Store.Presets;

/// <summary>The presets of the config database. Every method may throw <see cref="ConfigDatabaseUnavailableException"/>.</summary>
public sealed class PresetRepository(ConfigDatabase database)
{
    public Task<Page<Preset>> ListAsync(int limit, int offset, CancellationToken cancellationToken) =>
        database.ReadAsync(
            async connection =>
            {
                using var results = await connection.QueryMultipleAsync(new CommandDefinition(
                    $"SELECT count(*) FROM presets; SELECT {PresetRow.Columns} FROM presets ORDER BY id LIMIT @limit OFFSET @offset",
                    new { limit, offset }, cancellationToken: cancellationToken)).ConfigureAwait(false);
                var total = await results.ReadSingleAsync<long>().ConfigureAwait(false);
                var rows = await results.ReadAsync<PresetRow>().ConfigureAwait(false);
                return new Page<Preset>([.. rows.Select(r => r.Open())], total);
            },
            cancellationToken);

    public Task<Preset?> FindAsync(long id, CancellationToken cancellationToken) =>
        database.ReadAsync(
            async connection => (await connection.QuerySingleOrDefaultAsync<PresetRow>(new CommandDefinition(
                $"SELECT {PresetRow.Columns} FROM presets WHERE id = @id", new { id }, cancellationToken: cancellationToken)).ConfigureAwait(false))?.Open(),
            cancellationToken);

    public Task<StoreResult<Preset>> AddAsync(string name, IReadOnlyList<TableSync> tableSyncs, CancellationToken cancellationToken) =>
        WriteAsync(
            $"INSERT INTO presets (name, table_syncs) VALUES (@name, @tableSyncs::jsonb) RETURNING {PresetRow.Columns}",
            new { name, tableSyncs = PresetRow.Write(tableSyncs) }, "", cancellationToken);

    /// <summary>Changes a preset; what is null stays as it is.</summary>
    public Task<StoreResult<Preset>> ChangeAsync(long id, string? name, IReadOnlyList<TableSync>? tableSyncs, CancellationToken cancellationToken) =>
        WriteAsync(
            $"""
            UPDATE presets SET name = coalesce(@name, name), table_syncs = coalesce(@tableSyncs::jsonb, table_syncs)
            WHERE id = @id RETURNING {PresetRow.Columns}
            """,
            new { id, name, tableSyncs = tableSyncs is null ? null : PresetRow.Write(tableSyncs) }, $"There is no preset {id}.", cancellationToken);

    public Task<StoreResult<Preset>> DeleteAsync(long id, CancellationToken cancellationToken) =>
        WriteAsync($"DELETE FROM presets WHERE id = @id RETURNING {PresetRow.Columns}", new { id }, $"There is no preset {id}.", cancellationToken);

    Task<StoreResult<Preset>> WriteAsync(string sql, object arguments, string absent, CancellationToken cancellationToken) =>
        StoreResult.FromAsync(() => database.WriteAsync(
            async connection =>
                await connection.QuerySingleOrDefaultAsync<PresetRow>(new CommandDefinition(sql, arguments, cancellationToken: cancellationToken))
                    .ConfigureAwait(false) is { } row
                    ? StoreResult.Saved(row.Open())
                    : StoreResult.Refused<Preset>(StoreOutcome.NotFound, absent),
            cancellationToken));
}
