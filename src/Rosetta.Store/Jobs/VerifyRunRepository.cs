using System.Collections.Immutable;
using System.Text.Json;
using Dapper;
using Rosetta.Core.Chunks;
using Rosetta.Core.Positions;
using Rosetta.Store.Configuration;
using Rosetta.Store.Runtime;

namespace Rosetta.Store.Jobs;

/// <summary>
/// Comparisons that were asked for, and their results, which the node that runs the pipeline writes with its epoch. Every method may throw
/// <see cref="ConfigDatabaseUnavailableException"/>.
/// </summary>
public sealed class VerifyRunRepository(ConfigDatabase database)
{
    const string Columns = "id, pipeline_id, tables, destination_ids, repair, status, error, created_at, started_at, finished_at";

    /// <summary>Asks for a comparison. Runs that ended long ago are forgotten.</summary>
    public Task<StoreResult<VerifyRun>> AddAsync(
        long pipelineId, IReadOnlyList<string>? tables, IReadOnlyList<long>? destinationIds, bool repair, string? requestedBy, CancellationToken cancellationToken) =>
        StoreResult.FromAsync(() => database.WriteAsync(
            async connection => StoreResult.Saved((await connection.QuerySingleAsync<Row>(new CommandDefinition(
                $"""
                WITH old AS (DELETE FROM verify_runs WHERE pipeline_id = @pipelineId AND finished_at < clock_timestamp() - interval '30 days')
                INSERT INTO verify_runs (pipeline_id, tables, destination_ids, repair, requested_by) VALUES (@pipelineId, @tables, @ids, @repair, @requestedBy)
                RETURNING {Columns}
                """,
                new { pipelineId, tables = tables?.ToArray(), ids = destinationIds?.ToArray(), repair, requestedBy }, cancellationToken: cancellationToken))
                .ConfigureAwait(false)).ToRun()),
            cancellationToken));

    /// <summary>The run and what it has found so far; null when there is none.</summary>
    public Task<(VerifyRun Run, ImmutableArray<VerifyResult> Results)?> FindAsync(long pipelineId, long runId, CancellationToken cancellationToken) =>
        database.ReadAsync<(VerifyRun, ImmutableArray<VerifyResult>)?>(
            async connection =>
            {
                using var results = await connection.QueryMultipleAsync(new CommandDefinition(
                    $"""
                    SELECT {Columns} FROM verify_runs WHERE pipeline_id = @pipelineId AND id = @runId;
                    SELECT destination_id, table_name, state, rows_compared, rows_total, differing, missing, extra, as_of_lsn, error, rows_carried, ranges, keys::text AS keys
                    FROM verify_results WHERE run_id = @runId ORDER BY destination_id, table_name
                    """,
                    new { pipelineId, runId }, cancellationToken: cancellationToken)).ConfigureAwait(false);
                return await results.ReadSingleOrDefaultAsync<Row>().ConfigureAwait(false) is { } run
                    ? (run.ToRun(), [.. (await results.ReadAsync<ResultRow>().ConfigureAwait(false)).Select(r => r.ToResult())])
                    : null;
            },
            cancellationToken);

    /// <summary>What has not ended, oldest first; a run that an earlier incarnation began is begun anew.</summary>
    public Task<ImmutableArray<VerifyRun>> OpenAsync(long pipelineId, CancellationToken cancellationToken) =>
        database.ReadAsync<ImmutableArray<VerifyRun>>(
            async connection => [.. (await connection.QueryAsync<Row>(new CommandDefinition(
                $"SELECT {Columns} FROM verify_runs WHERE pipeline_id = @pipelineId AND status IN ('PENDING', 'EXECUTING') ORDER BY id", new { pipelineId },
                cancellationToken: cancellationToken)).ConfigureAwait(false)).Select(r => r.ToRun())],
            cancellationToken);

    /// <summary>Writes the state of a run with all its results.</summary>
    /// <returns>False when the epoch is no longer the newest.</returns>
    public Task<bool> SaveAsync(VerifyRun run, string status, string? error, IReadOnlyList<VerifyResult> results, long epoch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(run);
        return database.WriteAsync(
            connection => connection.QuerySingleAsync<bool>(new CommandDefinition(
                $"""
                WITH {EpochRepository.Fence}, found AS (
                    SELECT f.* FROM fence, jsonb_to_recordset(@Results::jsonb) AS f (
                        destination_id bigint, table_name text, state text, rows_compared bigint, rows_total bigint, differing bigint, missing bigint, extra bigint,
                        as_of_lsn pg_lsn, error text, rows_carried bigint, ranges bigint, keys jsonb)),
                saved AS (
                    INSERT INTO verify_results (run_id, destination_id, table_name, state, rows_compared, rows_total, differing, missing, extra, as_of_lsn, error, rows_carried, ranges, keys)
                    SELECT @Id, destination_id, table_name, state, rows_compared, rows_total, differing, missing, extra, as_of_lsn, error, rows_carried, ranges, keys FROM found
                    ON CONFLICT (run_id, destination_id, table_name) DO UPDATE SET state = excluded.state, rows_compared = excluded.rows_compared,
                        rows_total = excluded.rows_total, differing = excluded.differing, missing = excluded.missing, extra = excluded.extra,
                        as_of_lsn = excluded.as_of_lsn, error = excluded.error, rows_carried = excluded.rows_carried, ranges = excluded.ranges,
                        keys = excluded.keys),
                moved AS (
                    UPDATE verify_runs SET status = @status, epoch = @Epoch, error = @error, started_at = coalesce(started_at, clock_timestamp()),
                        finished_at = CASE WHEN @status IN ('COMPLETED', 'FAILED') THEN clock_timestamp() END
                    FROM fence WHERE id = @Id AND status IN ('PENDING', 'EXECUTING'))
                SELECT EXISTS (SELECT FROM fence)
                """,
                new
                {
                    run.Id, run.PipelineId, Epoch = epoch, status, error = StoreTypes.Storable(error),
                    Results = JsonSerializer.Serialize(results.Select(r => r with { Error = StoreTypes.Storable(r.Error) }), StoreTypes.Json),
                },
                cancellationToken: cancellationToken)),
            cancellationToken);
    }

    /// <summary>The pipeline rests: what it had begun is begun anew when it runs again.</summary>
    public Task SuspendAsync(long pipelineId, long epoch, CancellationToken cancellationToken) =>
        database.WriteAsync(
            connection => connection.ExecuteAsync(new CommandDefinition(
                $"WITH {EpochRepository.Fence} UPDATE verify_runs SET status = 'PENDING' FROM fence WHERE pipeline_id = @PipelineId AND status = 'EXECUTING'",
                new { PipelineId = pipelineId, Epoch = epoch }, cancellationToken: cancellationToken)),
            cancellationToken);

    sealed record Row
    {
        public long Id { get; init; }

        public long PipelineId { get; init; }

        public string[]? Tables { get; init; }

        public long[]? DestinationIds { get; init; }

        public bool Repair { get; init; }

        public string Status { get; init; } = "";

        public string? Error { get; init; }

        public DateTime CreatedAt { get; init; }

        public DateTime? StartedAt { get; init; }

        public DateTime? FinishedAt { get; init; }

        public VerifyRun ToRun() => new(
            Id, PipelineId, Tables is null ? null : [.. Tables], DestinationIds is null ? null : [.. DestinationIds], Repair, Status, Error, CreatedAt, StartedAt, FinishedAt);
    }

    sealed record ResultRow
    {
        public long DestinationId { get; init; }

        public string TableName { get; init; } = "";

        public string State { get; init; } = "";

        public long RowsCompared { get; init; }

        public long? RowsTotal { get; init; }

        public long Differing { get; init; }

        public long Missing { get; init; }

        public long Extra { get; init; }

        public Lsn? AsOfLsn { get; init; }

        public string? Error { get; init; }

        public long RowsCarried { get; init; }

        public long Ranges { get; init; }

        public string Keys { get; init; } = "[]";

        public VerifyResult ToResult() => new(DestinationId, TableName, State, RowsCompared, RowsTotal, Differing, Missing, Extra, AsOfLsn, Error)
        {
            RowsCarried = RowsCarried, Ranges = Ranges, Keys = JsonSerializer.Deserialize<List<DifferingKey>>(Keys, StoreTypes.Json) ?? [],
        };
    }
}
