using System.Collections.Immutable;
using Dapper;
using Rosetta.Store.Configuration;
using Rosetta.Store.Runtime;

namespace Rosetta.Store.Requests;

/// <summary>
/// Requests to pipelines. They are rows, so they survive a crash and reach whichever node runs the pipeline (announced as a change of
/// <c>pipeline_requests</c>). Every method may throw <see cref="ConfigDatabaseUnavailableException"/>.
/// </summary>
public sealed class PipelineRequestRepository(ConfigDatabase database)
{
    /// <summary>Asks for something. A second resync of a pipeline while one is open is refused as <see cref="StoreOutcome.IllegalState"/>.</summary>
    public async Task<StoreResult<PipelineRequest>> AddAsync(
        long pipelineId, PipelineRequestKind kind, IReadOnlyList<long>? destinationIds, string? tableName, string? requestedBy, CancellationToken cancellationToken)
    {
        var result = await StoreResult.FromAsync(() => database.WriteAsync(
            async connection => StoreResult.Saved((await connection.QuerySingleAsync<Row>(new CommandDefinition(
                $"""
                WITH old AS (
                    DELETE FROM pipeline_requests WHERE pipeline_id = @pipelineId AND finished_at < clock_timestamp() - interval '30 days')
                INSERT INTO pipeline_requests (pipeline_id, kind, destination_ids, table_name, requested_by)
                VALUES (@pipelineId, @kind, @ids, @tableName, @requestedBy)
                RETURNING {Row.Columns}
                """,
                new { pipelineId, kind = ToName(kind), ids = destinationIds?.ToArray(), tableName, requestedBy },
                cancellationToken: cancellationToken)).ConfigureAwait(false)).ToRequest()),
            cancellationToken)).ConfigureAwait(false);
        return result.Outcome == StoreOutcome.NameTaken ? result with { Outcome = StoreOutcome.IllegalState } : result;
    }

    /// <summary>What is still to be done for a pipeline, oldest first; also what an earlier incarnation began and did not finish.</summary>
    public Task<ImmutableArray<PipelineRequest>> OpenAsync(long pipelineId, CancellationToken cancellationToken) =>
        database.ReadAsync<ImmutableArray<PipelineRequest>>(
            async connection =>
            {
                var rows = await connection.QueryAsync<Row>(new CommandDefinition(
                    $"SELECT {Row.Columns} FROM pipeline_requests WHERE pipeline_id = @pipelineId AND state IN ('PENDING', 'EXECUTING') ORDER BY id",
                    new { pipelineId }, cancellationToken: cancellationToken)).ConfigureAwait(false);
                return [.. rows.Select(r => r.ToRequest())];
            },
            cancellationToken);

    /// <summary>The pipelines for which something is still to be done, or which do something that was called off.</summary>
    public Task<IReadOnlySet<long>> PipelinesWithOpenAsync(CancellationToken cancellationToken) =>
        database.ReadAsync<IReadOnlySet<long>>(
            async connection => (await connection.QueryAsync<long>(new CommandDefinition(
                """
                SELECT pipeline_id FROM pipeline_requests WHERE state IN ('PENDING', 'EXECUTING')
                UNION SELECT pipeline_id FROM verify_runs WHERE status IN ('PENDING', 'EXECUTING')
                UNION SELECT pipeline_id FROM recovery_runs WHERE status IN ('PENDING', 'EXECUTING') OR finished_at > clock_timestamp() - interval '10 s'
                UNION SELECT pipeline_id FROM queue_backfill_data WHERE status IN ('PENDING', 'EXECUTING') OR finished_at > clock_timestamp() - interval '10 s'
                """,
                cancellationToken: cancellationToken))
                .ConfigureAwait(false)).ToHashSet(),
            cancellationToken);

    public Task<PipelineRequestState?> FindStateAsync(long requestId, CancellationToken cancellationToken) =>
        database.ReadAsync(
            connection => connection.QuerySingleOrDefaultAsync<PipelineRequestState?>(new CommandDefinition(
                "SELECT id, state, error, finished_at FROM pipeline_requests WHERE id = @requestId", new { requestId }, cancellationToken: cancellationToken)),
            cancellationToken);

    /// <summary>Null when the pipeline has no such request (any more).</summary>
    public Task<PipelineRequestState?> FindStateAsync(long pipelineId, long requestId, CancellationToken cancellationToken) =>
        database.ReadAsync(
            connection => connection.QuerySingleOrDefaultAsync<PipelineRequestState?>(new CommandDefinition(
                "SELECT id, state, error, finished_at FROM pipeline_requests WHERE id = @requestId AND pipeline_id = @pipelineId", new { pipelineId, requestId }, cancellationToken: cancellationToken)),
            cancellationToken);

    /// <summary>Says that the incarnation works on a request.</summary>
    /// <returns>False when its epoch is no longer the newest.</returns>
    public Task<bool> BeginAsync(PipelineRequest request, long epoch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return MoveAsync(request, epoch, "EXECUTING", null, cancellationToken);
    }

    /// <summary>Has a request that was begun begin anew.</summary>
    /// <returns>False when the epoch is no longer the newest.</returns>
    public Task<bool> ReopenAsync(PipelineRequest request, long epoch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return MoveAsync(request, epoch, "PENDING", null, cancellationToken);
    }

    /// <summary>Closes a request: done, or failed with an error that says what to do.</summary>
    /// <returns>False when the epoch is no longer the newest.</returns>
    public Task<bool> FinishAsync(PipelineRequest request, long epoch, string? error, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return MoveAsync(request, epoch, error is null ? "DONE" : "FAILED", StoreTypes.Storable(error), cancellationToken);
    }

    Task<bool> MoveAsync(PipelineRequest request, long epoch, string state, string? error, CancellationToken cancellationToken) =>
        database.WriteAsync(
            connection => connection.QuerySingleAsync<bool>(new CommandDefinition(
                $"""
                WITH {EpochRepository.Fence}, moved AS (
                    UPDATE pipeline_requests SET state = @state, epoch = @Epoch, error = @error,
                        finished_at = CASE WHEN @state IN ('DONE', 'FAILED') THEN clock_timestamp() END
                    FROM fence WHERE id = @Id AND state IN ('PENDING', 'EXECUTING'))
                SELECT EXISTS (SELECT FROM fence)
                """,
                new { request.Id, request.PipelineId, Epoch = epoch, state, error }, cancellationToken: cancellationToken)),
            cancellationToken);

    static string ToName(PipelineRequestKind kind) => kind switch
    {
        PipelineRequestKind.Refresh => "REFRESH",
        PipelineRequestKind.Resync => "RESYNC",
        PipelineRequestKind.ResyncTable => "RESYNC_TABLE",
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };

    sealed record Row
    {
        public const string Columns = "id, pipeline_id, kind, destination_ids, table_name, requested_at";

        public long Id { get; init; }

        public long PipelineId { get; init; }

        public string Kind { get; init; } = "";

        public long[]? DestinationIds { get; init; }

        public string? TableName { get; init; }

        public DateTime RequestedAt { get; init; }

        public PipelineRequest ToRequest() => new(
            Id, PipelineId,
            Kind switch { "REFRESH" => PipelineRequestKind.Refresh, "RESYNC" => PipelineRequestKind.Resync, _ => PipelineRequestKind.ResyncTable },
            DestinationIds is null ? null : [.. DestinationIds], TableName, RequestedAt);
    }
}
