using System.Collections.Immutable;
using System.Text.Json;
using Dapper;
using Rosetta.Store.Configuration;
using Rosetta.Store.Runtime;

namespace Rosetta.Store.Monitoring;

/// <summary>Rows applied to one table of one destination within one minute.</summary>
/// <param name="Bucket">The minute's beginning, UTC.</param>
public sealed record DataFlow(DateTime Bucket, long DestinationId, string Table, long Inserted, long Updated, long Deleted);

/// <summary>How many rows flow, by minute. Every method may throw <see cref="ConfigDatabaseUnavailableException"/>.</summary>
public sealed class DataFlowRepository(ConfigDatabase database)
{
    /// <summary>Adds rows to the counts of their minutes.</summary>
    /// <returns>False when the epoch is no longer the newest; then nothing is added.</returns>
    public Task<bool> AddAsync(long pipelineId, long epoch, IReadOnlyCollection<DataFlow> flows, CancellationToken cancellationToken) =>
        database.WriteAsync(
            connection => connection.QuerySingleAsync<bool>(new CommandDefinition(
                $"""
                WITH {EpochRepository.Fence}, added AS (
                    INSERT INTO data_flow_record_monitoring AS m (bucket, pipeline_id, destination_id, table_name, inserted, updated, deleted)
                    SELECT date_trunc('minute', f.bucket, 'UTC'), @PipelineId, f.destination_id, f."table", sum(f.inserted), sum(f.updated), sum(f.deleted)
                    FROM fence, jsonb_to_recordset(@Flows::jsonb)
                        AS f (bucket timestamptz, destination_id bigint, "table" text, inserted bigint, updated bigint, deleted bigint)
                    GROUP BY 1, 3, 4
                    ON CONFLICT (pipeline_id, bucket, destination_id, table_name) DO UPDATE SET inserted = m.inserted + excluded.inserted,
                        updated = m.updated + excluded.updated, deleted = m.deleted + excluded.deleted)
                SELECT EXISTS (SELECT FROM fence)
                """,
                new { PipelineId = pipelineId, Epoch = epoch, Flows = JsonSerializer.Serialize(flows, StoreTypes.Json) },
                cancellationToken: cancellationToken)),
            cancellationToken);

    /// <summary>The minutes of the last <paramref name="period"/>, oldest first.</summary>
    public Task<ImmutableArray<DataFlow>> ListAsync(long pipelineId, TimeSpan period, CancellationToken cancellationToken) =>
        database.ReadAsync<ImmutableArray<DataFlow>>(
            async connection =>
            {
                var rows = await connection.QueryAsync<DataFlow>(new CommandDefinition(
                    """
                    SELECT bucket, destination_id, table_name AS "table", inserted, updated, deleted FROM data_flow_record_monitoring
                    WHERE pipeline_id = @pipelineId AND bucket >= clock_timestamp() - @period ORDER BY bucket, destination_id, table_name
                    """,
                    new { pipelineId, period }, cancellationToken: cancellationToken)).ConfigureAwait(false);
                return [.. rows];
            },
            cancellationToken);

    /// <summary>Removes minutes older than <paramref name="retention"/>.</summary>
    public Task<int> TrimAsync(TimeSpan retention, CancellationToken cancellationToken) =>
        database.WriteAsync(
            connection => connection.ExecuteAsync(new CommandDefinition(
                "DELETE FROM data_flow_record_monitoring WHERE bucket < clock_timestamp() - @retention", new { retention }, cancellationToken: cancellationToken)),
            cancellationToken);
}
