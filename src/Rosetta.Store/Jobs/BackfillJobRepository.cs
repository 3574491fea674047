using System.Collections.Immutable;
using Dapper;
using Rosetta.Store.Configuration;
using Rosetta.Store.Runtime;

namespace Rosetta.Store.Jobs;

/// <summary>
/// The queue of backfill jobs. Rows are made and cancelled by whoever asks (the API, or a hand with SQL) and carried out by the node that runs the pipeline, which
/// writes with its epoch. Every method may throw <see cref="ConfigDatabaseUnavailableException"/>.
/// </summary>
public sealed class BackfillJobRepository(ConfigDatabase database)
{
    /// <param name="filters">A JSON list, checked.</param>
    public Task<StoreResult<BackfillJob>> AddAsync(
        long pipelineId, string tableName, IReadOnlyList<long>? destinationIds, string filters, int batchSize, string? requestedBy, CancellationToken cancellationToken) =>
        StoreResult.FromAsync(() => database.WriteAsync(
            async connection => StoreResult.Saved((await connection.QuerySingleAsync<BackfillJobRow>(new CommandDefinition(
                $"""
                INSERT INTO queue_backfill_data (pipeline_id, table_name, destination_ids, filters, batch_size, requested_by)
                VALUES (@pipelineId, @tableName, @ids, @filters::jsonb, @batchSize, @requestedBy)
                RETURNING {BackfillJobRow.Columns}
                """,
                new { pipelineId, tableName, ids = destinationIds?.ToArray(), filters, batchSize, requestedBy },
                cancellationToken: cancellationToken)).ConfigureAwait(false)).ToJob()),
            cancellationToken));

    public Task<Page<BackfillJob>> ListAsync(long pipelineId, int limit, int offset, CancellationToken cancellationToken) =>
        database.ReadAsync(
            async connection =>
            {
                using var results = await connection.QueryMultipleAsync(new CommandDefinition(
                    $"""
                    SELECT count(*) FROM queue_backfill_data WHERE pipeline_id = @pipelineId;
                    SELECT {BackfillJobRow.Columns} FROM queue_backfill_data WHERE pipeline_id = @pipelineId ORDER BY id DESC LIMIT @limit OFFSET @offset
                    """,
                    new { pipelineId, limit, offset }, cancellationToken: cancellationToken)).ConfigureAwait(false);
                var total = await results.ReadSingleAsync<long>().ConfigureAwait(false);
                return new Page<BackfillJob>([.. (await results.ReadAsync<BackfillJobRow>().ConfigureAwait(false)).Select(r => r.ToJob())], total);
            },
            cancellationToken);

    public Task<BackfillJob?> FindAsync(long pipelineId, long jobId, CancellationToken cancellationToken) =>
        database.ReadAsync(
            async connection => (await connection.QuerySingleOrDefaultAsync<BackfillJobRow>(new CommandDefinition(
                $"SELECT {BackfillJobRow.Columns} FROM queue_backfill_data WHERE pipeline_id = @pipelineId AND id = @jobId", new { pipelineId, jobId },
                cancellationToken: cancellationToken)).ConfigureAwait(false))?.ToJob(),
            cancellationToken);

    /// <summary>The jobs of a pipeline that have not ended, oldest first: what waits, and what an incarnation has begun.</summary>
    public Task<ImmutableArray<BackfillJob>> OpenAsync(long pipelineId, CancellationToken cancellationToken) =>
        database.ReadAsync<ImmutableArray<BackfillJob>>(
            async connection => [.. (await connection.QueryAsync<BackfillJobRow>(new CommandDefinition(
                $"SELECT {BackfillJobRow.Columns} FROM queue_backfill_data WHERE pipeline_id = @pipelineId AND status IN ('PENDING', 'EXECUTING') ORDER BY id",
                new { pipelineId }, cancellationToken: cancellationToken)).ConfigureAwait(false)).Select(r => r.ToJob())],
            cancellationToken);

    /// <summary>
    /// Asks for its end. One that waits, or whose pipeline is paused, has ended with that; one that is under way ends after the chunk at hand.
    /// </summary>
    /// <returns>The job as it is now; null when there is none that has not ended.</returns>
    public Task<BackfillJob?> CancelAsync(long pipelineId, long jobId, CancellationToken cancellationToken) =>
        database.WriteAsync(
            async connection => (await connection.QuerySingleOrDefaultAsync<BackfillJobRow>(new CommandDefinition(
                $"""
                WITH idle AS (
                    SELECT j.id, j.status = 'PENDING' OR p.status = 'PAUSE' AS is_idle FROM queue_backfill_data j JOIN pipelines p ON p.id = j.pipeline_id
                    WHERE j.pipeline_id = @pipelineId AND j.id = @jobId AND j.status IN ('PENDING', 'EXECUTING') FOR UPDATE OF j)
                UPDATE queue_backfill_data q SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()),
                    status = CASE WHEN is_idle THEN 'CANCELLED' ELSE status END, finished_at = CASE WHEN is_idle THEN clock_timestamp() END
                FROM idle WHERE q.id = idle.id
                RETURNING {BackfillJobRow.Qualified("q")}
                """,
                new { pipelineId, jobId }, cancellationToken: cancellationToken)).ConfigureAwait(false))?.ToJob(),
            cancellationToken);

    /// <summary>Writes how far a job is; one that has ended in the row stays as it is.</summary>
    /// <returns>False when the epoch is no longer the newest.</returns>
    public Task<bool> SaveAsync(BackfillProgressRow row, long epoch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(row);
        return database.WriteAsync(
            connection => connection.QuerySingleAsync<bool>(new CommandDefinition(
                $"""
                WITH {EpochRepository.Fence}, saved AS (
                    UPDATE queue_backfill_data SET status = @Status, count_record = @CountRecord, total_record = coalesce(@TotalRecord, total_record),
                        progress = @Progress, rows_per_second = @RowsPerSecond, resume_attempts = @ResumeAttempts, error_message = @Error, epoch = @Epoch,
                        started_at = CASE WHEN @Status = 'PENDING' THEN started_at ELSE coalesce(started_at, clock_timestamp()) END,
                        finished_at = CASE WHEN @Status IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN clock_timestamp() END
                    FROM fence WHERE id = @JobId AND status IN ('PENDING', 'EXECUTING'))
                SELECT EXISTS (SELECT FROM fence)
                """,
                new
                {
                    row.JobId, row.PipelineId, row.Status, row.CountRecord, row.TotalRecord, row.Progress, row.RowsPerSecond, row.ResumeAttempts,
                    Error = StoreTypes.Storable(row.Error), Epoch = epoch,
                },
                cancellationToken: cancellationToken)),
            cancellationToken);
    }

    /// <summary>The pipeline rests: what it had begun waits until it runs again.</summary>
    public Task SuspendAsync(long pipelineId, long epoch, CancellationToken cancellationToken) =>
        database.WriteAsync(
            connection => connection.ExecuteAsync(new CommandDefinition(
                $"""
                WITH {EpochRepository.Fence}
                UPDATE queue_backfill_data SET status = 'PENDING', rows_per_second = NULL FROM fence WHERE pipeline_id = @PipelineId AND status = 'EXECUTING'
                """,
                new { PipelineId = pipelineId, Epoch = epoch }, cancellationToken: cancellationToken)),
            cancellationToken);
}
