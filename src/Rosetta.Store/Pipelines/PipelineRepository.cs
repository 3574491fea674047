using Dapper;
using Npgsql;
using Rosetta.Core.Pipelines;
using Rosetta.Store.Configuration;
using Rosetta.Store.Secrets;

namespace Rosetta.Store.Pipelines;

/// <summary>The pipelines of the config database. Every method may throw <see cref="ConfigDatabaseUnavailableException"/>.</summary>
public sealed class PipelineRepository(ConfigDatabase database, Installation installation)
{
    public Task<Page<PipelineDefinition>> ListAsync(int limit, int offset, CancellationToken cancellationToken) =>
        database.ReadAsync(
            async connection =>
            {
                using var results = await connection.QueryMultipleAsync(new CommandDefinition(
                    $"SELECT count(*) FROM pipelines; {PipelineRow.Select} ORDER BY p.id LIMIT @limit OFFSET @offset",
                    new { limit, offset }, cancellationToken: cancellationToken)).ConfigureAwait(false);
                var total = await results.ReadSingleAsync<long>().ConfigureAwait(false);
                var rows = await results.ReadAsync<PipelineRow>().ConfigureAwait(false);
                return new Page<PipelineDefinition>([.. rows.Select(r => r.Open(installation.Secrets))], total);
            },
            cancellationToken);

    /// <summary>Every pipeline in short, for the poller.</summary>
    public Task<IReadOnlyList<PipelineSummary>> SummariesAsync(CancellationToken cancellationToken) =>
        database.ReadAsync<IReadOnlyList<PipelineSummary>>(
            async connection =>
            {
                var rows = await connection.QueryAsync<(long Id, string Name, string Status, long ConfigVersion)>(new CommandDefinition(
                    "SELECT id, name, status, config_version FROM pipelines ORDER BY id", cancellationToken: cancellationToken)).ConfigureAwait(false);
                return [.. rows.Select(r => new PipelineSummary(r.Id, r.Name, PipelineRow.ParseStatus(r.Status), r.ConfigVersion))];
            },
            cancellationToken);

    /// <summary>The pipelines that read a source.</summary>
    public Task<IReadOnlyList<PipelineDefinition>> OfSourceAsync(long sourceId, CancellationToken cancellationToken) =>
        database.ReadAsync<IReadOnlyList<PipelineDefinition>>(
            async connection =>
            {
                var rows = await connection.QueryAsync<PipelineRow>(new CommandDefinition(
                    $"{PipelineRow.Select} WHERE p.source_id = @sourceId ORDER BY p.id", new { sourceId }, cancellationToken: cancellationToken)).ConfigureAwait(false);
                return [.. rows.Select(r => r.Open(installation.Secrets))];
            },
            cancellationToken);

    public Task<PipelineDefinition?> FindAsync(long id, CancellationToken cancellationToken) =>
        database.ReadAsync(connection => FindAsync(connection, null, id, cancellationToken), cancellationToken);

    public Task<StoreResult<PipelineDefinition>> AddAsync(string name, long sourceId, CancellationToken cancellationToken) =>
        ChangeAsync(
            async (connection, transaction) =>
            {
                var id = await connection.QuerySingleAsync<long>(new CommandDefinition(
                    "INSERT INTO pipelines (name, source_id) VALUES (@name, @sourceId) RETURNING id", new { name, sourceId }, transaction,
                    cancellationToken: cancellationToken)).ConfigureAwait(false);
                return (id, null);
            },
            cancellationToken);

    /// <summary>Renames a pipeline. Its source is part of what it is and cannot be exchanged.</summary>
    public Task<StoreResult<PipelineDefinition>> ChangeAsync(long id, string? name, long? sourceId, CancellationToken cancellationToken) =>
        ChangeAsync(
            async (connection, transaction) =>
            {
                if (await LockAsync(connection, transaction, id, cancellationToken).ConfigureAwait(false) is not { } pipeline) return (id, NoPipeline(id));
                if (sourceId is { } source && source != pipeline.SourceId)
                {
                    return (id, (StoreOutcome.IllegalState,
                        "The source of a pipeline cannot be exchanged: its slot and its positions belong to it. Make a new pipeline."));
                }

                await connection.ExecuteAsync(new CommandDefinition(
                    "UPDATE pipelines SET name = coalesce(@name, name) WHERE id = @id", new { id, name }, transaction, cancellationToken: cancellationToken))
                    .ConfigureAwait(false);
                return (id, null);
            },
            cancellationToken);

    /// <summary>Sets what is asked for; idempotent. A start without a destination is refused.</summary>
    public Task<StoreResult<PipelineDefinition>> SetStatusAsync(long id, PipelineStatus status, CancellationToken cancellationToken) =>
        ChangeAsync(
            async (connection, transaction) =>
            {
                if (await LockAsync(connection, transaction, id, cancellationToken).ConfigureAwait(false) is not { } pipeline) return (id, NoPipeline(id));
                if (status == PipelineStatus.Start && pipeline.Destinations == 0)
                {
                    return (id, (StoreOutcome.IllegalState,
                        $"Pipeline '{pipeline.Name}' has no destination. Attach one first (POST /pipelines/{id}/destinations)."));
                }

                await connection.ExecuteAsync(new CommandDefinition(
                    "UPDATE pipelines SET status = @status WHERE id = @id AND status <> @status", new { id, status = status.ToName() }, transaction,
                    cancellationToken: cancellationToken)).ConfigureAwait(false);
                return (id, null);
            },
            cancellationToken);

    /// <summary>Deletes a paused pipeline with everything recorded about it. Its slot at the source is the caller's care, before this.</summary>
    public Task<StoreResult<PipelineDefinition>> DeleteAsync(long id, CancellationToken cancellationToken) =>
        StoreResult.FromAsync(() => database.TransactAsync(
            async (connection, transaction) =>
            {
                if (await LockAsync(connection, transaction, id, cancellationToken).ConfigureAwait(false) is not { } pipeline)
                    return Refused(NoPipeline(id));
                if (pipeline.Status == "START")
                    return Refused((StoreOutcome.IllegalState, $"Pipeline '{pipeline.Name}' is started. Pause it before deleting it."));
                var deleted = await FindAsync(connection, transaction, id, cancellationToken).ConfigureAwait(false);
                await connection.ExecuteAsync(new CommandDefinition(
                    "DELETE FROM pipelines WHERE id = @id", new { id }, transaction, DeletePatience, cancellationToken: cancellationToken)).ConfigureAwait(false);
                return StoreResult.Saved(deleted!);
            },
            cancellationToken));

    /// <summary>Seconds; very many dead letters may go with it.</summary>
    const int DeletePatience = 600;

    internal static (StoreOutcome Outcome, string Detail) NoPipeline(long id) => (StoreOutcome.NotFound, $"There is no pipeline {id}.");

    internal static StoreResult<PipelineDefinition> Refused((StoreOutcome Outcome, string Detail) why) =>
        StoreResult.Refused<PipelineDefinition>(why.Outcome, why.Detail);

    /// <summary>Runs a change in a transaction and gives the pipeline as it is after it.</summary>
    internal Task<StoreResult<PipelineDefinition>> ChangeAsync(
        Func<NpgsqlConnection, NpgsqlTransaction, Task<(long Id, (StoreOutcome, string)? Refusal)>> change, CancellationToken cancellationToken) =>
        StoreResult.FromAsync(() => database.TransactAsync(
            async (connection, transaction) =>
            {
                var (id, refusal) = await change(connection, transaction).ConfigureAwait(false);
                if (refusal is { } why) return Refused(why);
                var saved = await FindAsync(connection, transaction, id, cancellationToken).ConfigureAwait(false);
                return saved is null ? Refused(NoPipeline(id)) : StoreResult.Saved(saved);
            },
            cancellationToken));

    /// <summary>Locks a pipeline's row, so that its status stays what it is until the transaction ends.</summary>
    internal static async Task<LockedPipeline?> LockAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, long id, CancellationToken cancellationToken) =>
        await connection.QuerySingleOrDefaultAsync<LockedPipeline>(new CommandDefinition(
            """
            SELECT p.name, p.status, p.source_id, (SELECT count(*) FROM pipeline_destinations d WHERE d.pipeline_id = p.id) AS destinations
            FROM pipelines p WHERE p.id = @id FOR NO KEY UPDATE OF p
            """,
            new { id }, transaction, cancellationToken: cancellationToken)).ConfigureAwait(false);

    async Task<PipelineDefinition?> FindAsync(NpgsqlConnection connection, NpgsqlTransaction? transaction, long id, CancellationToken cancellationToken) =>
        (await connection.QuerySingleOrDefaultAsync<PipelineRow>(new CommandDefinition(
            $"{PipelineRow.Select} WHERE p.id = @id", new { id }, transaction, cancellationToken: cancellationToken)).ConfigureAwait(false))
            ?.Open(installation.Secrets);

    internal sealed record LockedPipeline(string Name, string Status, long SourceId, long Destinations);
}
