using Dapper;
using Npgsql;
using Rosetta.Core.Options;
using Rosetta.Store.Configuration;

namespace Rosetta.Store.Pipelines;

/// <summary>Which destinations a pipeline has, and which tables each of them gets. Every method may throw <see cref="ConfigDatabaseUnavailableException"/>.</summary>
public sealed class PipelineDestinationRepository(ConfigDatabase database, PipelineRepository pipelines)
{
    /// <summary>The tables that pipelines choose for a destination, by name or pattern, and which pipeline does.</summary>
    public Task<IReadOnlyList<ChosenTable>> ChosenTablesAsync(long destinationId, CancellationToken cancellationToken) =>
        database.ReadAsync<IReadOnlyList<ChosenTable>>(
            async connection =>
            {
                var rows = await connection.QueryAsync<(long Id, string Pipeline, string Table, string? Target, bool Enabled)>(new CommandDefinition(
                    """
                    SELECT p.id, p.name, t.table_name, t.table_name_target, t.enabled FROM table_syncs t JOIN pipelines p ON p.id = t.pipeline_id
                    WHERE t.destination_id = @destinationId ORDER BY t.pipeline_id, t.ordinal, t.id
                    """,
                    new { destinationId }, cancellationToken: cancellationToken)).ConfigureAwait(false);
                return [.. rows.Select(r => new ChosenTable(r.Id, r.Pipeline, r.Table, r.Target, r.Enabled))];
            },
            cancellationToken);

    /// <summary>Attaches a destination, also to a started pipeline, under a new generation.</summary>
    public Task<StoreResult<PipelineDefinition>> AttachAsync(
        long pipelineId, long destinationId, SnapshotChoice snapshot, IReadOnlyList<TableSync> tableSyncs, CancellationToken cancellationToken) =>
        pipelines.ChangeAsync(
            async (connection, transaction) =>
            {
                if (await PipelineRepository.LockAsync(connection, transaction, pipelineId, cancellationToken).ConfigureAwait(false) is null)
                    return (pipelineId, PipelineRepository.NoPipeline(pipelineId));
                await connection.ExecuteAsync(new CommandDefinition(
                    "INSERT INTO pipeline_destinations (pipeline_id, destination_id, snapshot) VALUES (@pipelineId, @destinationId, @snapshot)",
                    new { pipelineId, destinationId, snapshot = snapshot == SnapshotChoice.None ? "none" : "initial" }, transaction,
                    cancellationToken: cancellationToken)).ConfigureAwait(false);
                await InsertAsync(connection, transaction, pipelineId, destinationId, tableSyncs, cancellationToken).ConfigureAwait(false);
                return (pipelineId, null);
            },
            cancellationToken);

    /// <summary>
    /// Takes a destination out of a pipeline, also out of a started one as long as another remains; what is recorded about it goes too. Its spill log may be large and is left to
    /// the node that runs the pipeline, which removes it bit by bit.
    /// </summary>
    public Task<StoreResult<PipelineDefinition>> DetachAsync(long pipelineId, long destinationId, CancellationToken cancellationToken) =>
        pipelines.ChangeAsync(
            async (connection, transaction) =>
            {
                if (await PipelineRepository.LockAsync(connection, transaction, pipelineId, cancellationToken).ConfigureAwait(false) is not { } pipeline)
                    return (pipelineId, PipelineRepository.NoPipeline(pipelineId));
                if (!await IsAttachedAsync(connection, transaction, pipelineId, destinationId, cancellationToken).ConfigureAwait(false))
                    return (pipelineId, NotAttached(pipelineId, destinationId));
                if (pipeline is { Status: "START", Destinations: 1 })
                {
                    return (pipelineId, (StoreOutcome.IllegalState,
                        $"It is the only destination of pipeline '{pipeline.Name}', which is started. Pause the pipeline first, or attach another destination."));
                }

                await connection.ExecuteAsync(new CommandDefinition(
                    "DELETE FROM pipeline_destinations WHERE pipeline_id = @pipelineId AND destination_id = @destinationId",
                    new { pipelineId, destinationId }, transaction, cancellationToken: cancellationToken)).ConfigureAwait(false);
                return (pipelineId, null);
            },
            cancellationToken);

    /// <summary>Replaces the list of tables, also of a started pipeline, which follows it.</summary>
    public Task<StoreResult<PipelineDefinition>> ReplaceTableSyncsAsync(
        long pipelineId, long destinationId, IReadOnlyList<TableSync> tableSyncs, CancellationToken cancellationToken) =>
        pipelines.ChangeAsync(
            async (connection, transaction) =>
            {
                if (await PipelineRepository.LockAsync(connection, transaction, pipelineId, cancellationToken).ConfigureAwait(false) is not { } pipeline)
                    return (pipelineId, PipelineRepository.NoPipeline(pipelineId));
                if (!await IsAttachedAsync(connection, transaction, pipelineId, destinationId, cancellationToken).ConfigureAwait(false))
                    return (pipelineId, NotAttached(pipelineId, destinationId));
                // The same list again is no change: a running pipeline is not bothered with it.
                if (Same(await CurrentAsync(connection, transaction, pipelineId, destinationId, cancellationToken).ConfigureAwait(false), tableSyncs))
                    return (pipelineId, null);
                await connection.ExecuteAsync(new CommandDefinition(
                    "DELETE FROM table_syncs WHERE pipeline_id = @pipelineId AND destination_id = @destinationId",
                    new { pipelineId, destinationId }, transaction, cancellationToken: cancellationToken)).ConfigureAwait(false);
                await InsertAsync(connection, transaction, pipelineId, destinationId, tableSyncs, cancellationToken).ConfigureAwait(false);
                return (pipelineId, null);
            },
            cancellationToken);

    /// <summary>Stops a table at a destination until it is resumed; idempotent.</summary>
    public Task<StoreResult<PipelineDefinition>> PauseTableAsync(long pipelineId, long destinationId, string table, CancellationToken cancellationToken) =>
        ChangeTableAsync(
            pipelineId, destinationId,
            "INSERT INTO paused_tables (pipeline_id, destination_id, table_name) VALUES (@pipelineId, @destinationId, @table) ON CONFLICT DO NOTHING",
            new { pipelineId, destinationId, table }, cancellationToken);

    /// <summary>Ends a table's pause, and asks for its copy: what was lost meanwhile comes with that.</summary>
    public Task<StoreResult<PipelineDefinition>> ResumeTableAsync(
        long pipelineId, long destinationId, string table, string? requestedBy, CancellationToken cancellationToken) =>
        ChangeTableAsync(
            pipelineId, destinationId,
            """
            DELETE FROM paused_tables WHERE pipeline_id = @pipelineId AND destination_id = @destinationId AND table_name = @table;
            INSERT INTO pipeline_requests (pipeline_id, kind, destination_ids, table_name, requested_by)
            VALUES (@pipelineId, 'RESYNC_TABLE', ARRAY[@destinationId]::bigint[], @table, @requestedBy)
            """,
            new { pipelineId, destinationId, table, requestedBy }, cancellationToken);

    Task<StoreResult<PipelineDefinition>> ChangeTableAsync(long pipelineId, long destinationId, string sql, object arguments, CancellationToken cancellationToken) =>
        pipelines.ChangeAsync(
            async (connection, transaction) =>
            {
                if (await PipelineRepository.LockAsync(connection, transaction, pipelineId, cancellationToken).ConfigureAwait(false) is null)
                    return (pipelineId, PipelineRepository.NoPipeline(pipelineId));
                if (!await IsAttachedAsync(connection, transaction, pipelineId, destinationId, cancellationToken).ConfigureAwait(false))
                    return (pipelineId, NotAttached(pipelineId, destinationId));
                await connection.ExecuteAsync(new CommandDefinition(sql, arguments, transaction, cancellationToken: cancellationToken)).ConfigureAwait(false);
                return (pipelineId, null);
            },
            cancellationToken);

    /// <summary>
    /// Gives destinations a new generation, so that their old positions and table states no longer count: the first step of a pipeline's resync.
    /// What was recorded about their progress goes with it.
    /// </summary>
    /// <param name="destinationIds">Null: all destinations of the pipeline.</param>
    /// <returns>The new generations by destination, null when <paramref name="epoch"/> is no longer the pipeline's.</returns>
    public Task<IReadOnlyDictionary<long, Guid>?> RenewGenerationsAsync(
        long pipelineId, long epoch, IReadOnlyList<long>? destinationIds, CancellationToken cancellationToken) =>
        database.TransactAsync<IReadOnlyDictionary<long, Guid>?>(
            async (connection, transaction) =>
            {
                var current = await connection.QuerySingleOrDefaultAsync<long?>(new CommandDefinition(
                    "SELECT epoch FROM pipeline_epochs WHERE pipeline_id = @pipelineId FOR SHARE", new { pipelineId }, transaction,
                    cancellationToken: cancellationToken)).ConfigureAwait(false);
                if (current != epoch) return null;
                var arguments = new { pipelineId, ids = destinationIds?.ToArray() };
                var renewed = await connection.QueryAsync<(long Id, Guid Generation)>(new CommandDefinition(
                    """
                    UPDATE pipeline_destinations SET generation = gen_random_uuid()
                    WHERE pipeline_id = @pipelineId AND (@ids::bigint[] IS NULL OR destination_id = ANY (@ids))
                    RETURNING destination_id, generation
                    """,
                    arguments, transaction, cancellationToken: cancellationToken)).ConfigureAwait(false);
                await connection.ExecuteAsync(new CommandDefinition(
                    """
                    DELETE FROM slot_rested_on WHERE pipeline_id = @pipelineId AND (@ids::bigint[] IS NULL OR destination_id = ANY (@ids));
                    DELETE FROM table_states WHERE pipeline_id = @pipelineId AND (@ids::bigint[] IS NULL OR destination_id = ANY (@ids));
                    DELETE FROM pipeline_metadata WHERE pipeline_id = @pipelineId AND (@ids::bigint[] IS NULL OR destination_id = ANY (@ids));
                    """,
                    arguments, transaction, cancellationToken: cancellationToken)).ConfigureAwait(false);
                return renewed.ToDictionary(r => r.Id, r => r.Generation);
            },
            cancellationToken);

    static (StoreOutcome, string) NotAttached(long pipelineId, long destinationId) =>
        (StoreOutcome.NotFound, $"Pipeline {pipelineId} has no destination {destinationId}.");

    static Task<bool> IsAttachedAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, long pipelineId, long destinationId, CancellationToken cancellationToken) =>
        connection.QuerySingleAsync<bool>(new CommandDefinition(
            "SELECT EXISTS (SELECT FROM pipeline_destinations WHERE pipeline_id = @pipelineId AND destination_id = @destinationId)",
            new { pipelineId, destinationId }, transaction, cancellationToken: cancellationToken));

    static async Task<IReadOnlyList<TableSync>> CurrentAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, long pipelineId, long destinationId, CancellationToken cancellationToken)
    {
        var rows = await connection.QueryAsync<(string Table, string? Target, string[]? Columns, string? Filter, string? Sql, bool Enabled, string Options)>(
            new CommandDefinition(
                """
                SELECT table_name, table_name_target, columns, filter_sql, custom_sql, enabled, options::text FROM table_syncs
                WHERE pipeline_id = @pipelineId AND destination_id = @destinationId ORDER BY ordinal, id
                """,
                new { pipelineId, destinationId }, transaction, cancellationToken: cancellationToken)).ConfigureAwait(false);
        return [.. rows.Select(r => new TableSync(r.Table, r.Target, r.Columns is null ? null : [.. r.Columns], r.Filter, r.Sql, r.Enabled, TableOptionsJson.Parse(r.Options)))];
    }

    static bool Same(IReadOnlyList<TableSync> one, IReadOnlyList<TableSync> other) =>
        one.Count == other.Count && one.Zip(other).All(pair => pair.First.SaysTheSameAs(pair.Second));

    static Task<int> InsertAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, long pipelineId, long destinationId, IReadOnlyList<TableSync> tableSyncs,
        CancellationToken cancellationToken) =>
        connection.ExecuteAsync(new CommandDefinition(
            """
            INSERT INTO table_syncs (pipeline_id, destination_id, ordinal, table_name, table_name_target, columns, filter_sql, custom_sql, enabled, options)
            VALUES (@pipelineId, @destinationId, @ordinal, @TableName, @TableNameTarget, @columns, @FilterSql, @CustomSql, @Enabled, @options::jsonb)
            """,
            tableSyncs.Select((t, ordinal) => new
            {
                pipelineId, destinationId, ordinal, t.TableName, t.TableNameTarget, columns = t.Columns?.ToArray(), t.FilterSql, t.CustomSql, t.Enabled,
                options = TableOptionsJson.ToJson(t.Options ?? TableOptions.None),
            }),
            transaction, cancellationToken: cancellationToken));
}
