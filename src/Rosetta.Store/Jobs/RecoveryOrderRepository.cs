using System.Collections.Immutable;
using System.Text.Json;
using Dapper;
using Rosetta.Core.Errors;
using Rosetta.Store.Configuration;
using Rosetta.Store.DeadLetters;
using Rosetta.Store.Runtime;

namespace Rosetta.Store.Jobs;

/// <summary>
/// Orders about parked changes. Made and called off by whoever asks; carried out by the node that runs the pipeline, which writes with its epoch. Every method may throw
/// <see cref="ConfigDatabaseUnavailableException"/>.
/// </summary>
public sealed class RecoveryOrderRepository(ConfigDatabase database)
{
    /// <summary>Orders something. What ended long ago is forgotten; the audit stays.</summary>
    public Task<StoreResult<RecoveryOrder>> AddAsync(long pipelineId, long destinationId, RecoveryRequest request, string? requestedBy, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return StoreResult.FromAsync(() => database.WriteAsync(
            async connection => StoreResult.Saved((await connection.QuerySingleAsync<RecoveryOrderRow>(new CommandDefinition(
                $"""
                WITH old AS (DELETE FROM recovery_runs WHERE pipeline_id = @pipelineId AND finished_at < clock_timestamp() - interval '30 days')
                INSERT INTO recovery_runs (pipeline_id, destination_id, kind, table_name, error_class, entry, edited, dry_run, reason, requested_by)
                VALUES (@pipelineId, @destinationId, @kind, @Table, @errorClass, @Entry, @edited::jsonb, @DryRun, @Reason, @requestedBy)
                RETURNING {RecoveryOrderRow.Columns}
                """,
                new
                {
                    pipelineId, destinationId, kind = request.Kind.ToString().ToUpperInvariant(), request.Table, errorClass = request.Class is { } c ? DeadLetterText.Of(c) : null,
                    request.Entry, edited = request.Edited is null ? null : JsonSerializer.Serialize(request.Edited), request.DryRun, request.Reason, requestedBy,
                },
                cancellationToken: cancellationToken)).ConfigureAwait(false)).ToOrder()),
            cancellationToken));
    }

    public Task<RecoveryOrder?> FindAsync(long pipelineId, long destinationId, long id, CancellationToken cancellationToken) =>
        database.ReadAsync(
            async connection => (await connection.QuerySingleOrDefaultAsync<RecoveryOrderRow>(new CommandDefinition(
                $"SELECT {RecoveryOrderRow.Columns} FROM recovery_runs WHERE pipeline_id = @pipelineId AND destination_id = @destinationId AND id = @id",
                new { pipelineId, destinationId, id }, cancellationToken: cancellationToken)).ConfigureAwait(false))?.ToOrder(),
            cancellationToken);

    /// <summary>What has not ended, oldest first.</summary>
    public Task<ImmutableArray<RecoveryOrder>> OpenAsync(long pipelineId, CancellationToken cancellationToken) =>
        database.ReadAsync<ImmutableArray<RecoveryOrder>>(
            async connection => [.. (await connection.QueryAsync<RecoveryOrderRow>(new CommandDefinition(
                $"SELECT {RecoveryOrderRow.Columns} FROM recovery_runs WHERE pipeline_id = @pipelineId AND status IN ('PENDING', 'EXECUTING') ORDER BY id",
                new { pipelineId }, cancellationToken: cancellationToken)).ConfigureAwait(false)).Select(r => r.ToOrder())],
            cancellationToken);

    /// <summary>Calls it off. One that waits, or whose pipeline is paused, has ended with that; one that is under way ends after the transaction at hand.</summary>
    /// <returns>The order as it is now; null when there is none that has not ended.</returns>
    public Task<RecoveryOrder?> CancelAsync(long pipelineId, long destinationId, long id, CancellationToken cancellationToken) =>
        database.WriteAsync(
            async connection => (await connection.QuerySingleOrDefaultAsync<RecoveryOrderRow>(new CommandDefinition(
                $"""
                WITH idle AS (
                    SELECT r.id AS idle_id, r.status = 'PENDING' OR p.status = 'PAUSE' AS is_idle FROM recovery_runs r JOIN pipelines p ON p.id = r.pipeline_id
                    WHERE r.pipeline_id = @pipelineId AND r.destination_id = @destinationId AND r.id = @id AND r.status IN ('PENDING', 'EXECUTING') FOR UPDATE OF r)
                UPDATE recovery_runs SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()),
                    status = CASE WHEN is_idle THEN 'CANCELLED' ELSE status END, finished_at = CASE WHEN is_idle THEN clock_timestamp() END,
                    waiting = CASE WHEN is_idle THEN NULL ELSE waiting END
                FROM idle WHERE id = idle_id
                RETURNING {RecoveryOrderRow.Columns}
                """,
                new { pipelineId, destinationId, id }, cancellationToken: cancellationToken)).ConfigureAwait(false))?.ToOrder(),
            cancellationToken);

    /// <summary>It is being carried out from now on, by this incarnation.</summary>
    /// <returns>The order as it is, with what an earlier incarnation has done of it; null when it has ended or was called off.</returns>
    /// <exception cref="FencedException">The epoch is no longer the newest.</exception>
    public async Task<RecoveryOrder?> BeginAsync(RecoveryOrder order, long epoch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(order);
        var (isNewest, row) = await database.WriteAsync(
            async connection =>
            {
                using var results = await connection.QueryMultipleAsync(new CommandDefinition(
                    $"""
                    WITH {EpochRepository.Fence}
                    UPDATE recovery_runs SET status = 'EXECUTING', epoch = @Epoch, waiting = NULL, started_at = coalesce(started_at, clock_timestamp())
                    FROM fence WHERE id = @Id AND status IN ('PENDING', 'EXECUTING') AND cancel_requested_at IS NULL
                    RETURNING {RecoveryOrderRow.Columns};
                    WITH {EpochRepository.Fence} SELECT EXISTS (SELECT FROM fence)
                    """,
                    new { order.PipelineId, order.Id, Epoch = epoch }, cancellationToken: cancellationToken)).ConfigureAwait(false);
                var found = await results.ReadSingleOrDefaultAsync<RecoveryOrderRow>().ConfigureAwait(false);
                return (await results.ReadSingleAsync<bool>().ConfigureAwait(false), found);
            },
            cancellationToken).ConfigureAwait(false);
        return isNewest ? row?.ToOrder() : throw new FencedException("the config database", epoch);
    }

    /// <summary>Notes, before they are applied, how many changes a retry is about to apply.</summary>
    /// <exception cref="FencedException">The epoch is no longer the newest.</exception>
    public async Task NoteAtHandAsync(RecoveryOrder order, long changes, long epoch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(order);
        var isNewest = await database.WriteAsync(
            connection => connection.QuerySingleAsync<bool>(new CommandDefinition(
                $"""
                WITH {EpochRepository.Fence}, noted AS (UPDATE recovery_runs SET at_hand = @changes FROM fence WHERE id = @Id)
                SELECT EXISTS (SELECT FROM fence)
                """,
                new { order.PipelineId, order.Id, Epoch = epoch, changes }, cancellationToken: cancellationToken)),
            cancellationToken).ConfigureAwait(false);
        if (!isNewest)
            throw new FencedException("the config database", epoch);
    }

    /// <summary>Writes how far it is, or how it ended; one that has ended in the row stays as it is.</summary>
    /// <returns>False when the epoch is no longer the newest.</returns>
    public Task<bool> SaveAsync(RecoveryOrder order, long epoch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(order);
        return database.WriteAsync(
            connection => connection.QuerySingleAsync<bool>(new CommandDefinition(
                $"""
                WITH {EpochRepository.Fence}, saved AS (
                    UPDATE recovery_runs SET status = @Status, epoch = @Epoch, recovered = @Recovered, failed = @Failed, remaining = @Remaining, lost = @Lost,
                        discarded = @Discarded, waiting = @waiting, result = @result::jsonb, error = @error,
                        finished_at = CASE WHEN @Status IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN clock_timestamp() END
                    FROM fence WHERE id = @Id AND status IN ('PENDING', 'EXECUTING'))
                SELECT EXISTS (SELECT FROM fence)
                """,
                new
                {
                    order.PipelineId, order.Id, order.Status, Epoch = epoch, order.Counts.Recovered, order.Counts.Failed, order.Counts.Remaining, order.Counts.Lost, order.Counts.Discarded,
                    waiting = StoreTypes.Storable(order.Waiting), result = order.Result, error = StoreTypes.Storable(order.Error),
                },
                cancellationToken: cancellationToken)),
            cancellationToken);
    }

    /// <summary>The pipeline rests: what it had begun goes on when it runs again.</summary>
    public Task SuspendAsync(long pipelineId, long epoch, CancellationToken cancellationToken) =>
        database.WriteAsync(
            connection => connection.ExecuteAsync(new CommandDefinition(
                $"WITH {EpochRepository.Fence} UPDATE recovery_runs SET status = 'PENDING', waiting = NULL FROM fence WHERE pipeline_id = @PipelineId AND status = 'EXECUTING'",
                new { PipelineId = pipelineId, Epoch = epoch }, cancellationToken: cancellationToken)),
            cancellationToken);
}
