using System.Collections.Immutable;
using Dapper;
using Rosetta.Store.Configuration;

namespace Rosetta.Store.Runtime;

/// <summary>Reads what the pipelines' nodes reported, on any node.</summary>
public sealed class PipelineStatusRepository(ConfigDatabase database)
{
    /// <summary>The status of each of the pipelines, also of those that never ran (<see cref="PipelineStatusView.Runtime"/> is null).</summary>
    /// <exception cref="ConfigDatabaseUnavailableException">The config database is away.</exception>
    public Task<ImmutableDictionary<long, PipelineStatusView>> ReadAsync(IReadOnlyCollection<long> pipelineIds, CancellationToken cancellationToken) =>
        database.ReadAsync(
            async connection =>
            {
                using var results = await connection.QueryMultipleAsync(new CommandDefinition(
                    """
                    SELECT pipeline_id, state, node, since, restarts, last_error, remedy, slot, received_lsn, confirmed_lsn, wal_retained_bytes,
                        clock_timestamp() - updated_at AS age
                    FROM pipeline_runtime WHERE pipeline_id = ANY (@ids);
                    SELECT pipeline_id, destination_id, health_status, lane, wal_size, lag_bytes, lag_seconds, applied_lsn, last_success_time, last_error, remedy, dlq_count,
                        spill::text AS spill
                    FROM pipeline_metadata WHERE pipeline_id = ANY (@ids);
                    SELECT pipeline_id, destination_id, table_name, target, state, snapshot_rows, snapshot_rows_estimated, rows_inserted, rows_updated,
                        rows_deleted, error, remedy, snapshot_bytes, snapshot_rows_per_second, snapshot_seconds_left, snapshot_waits_for, last_resync::text AS last_resync
                    FROM table_states WHERE pipeline_id = ANY (@ids) ORDER BY table_name
                    """,
                    new { ids = pipelineIds.ToArray() }, cancellationToken: cancellationToken)).ConfigureAwait(false);
                var runtimes = (await results.ReadAsync<RuntimeView>().ConfigureAwait(false)).ToDictionary(r => r.PipelineId);
                var destinations = (await results.ReadAsync<DestinationView>().ConfigureAwait(false)).ToLookup(d => d.PipelineId);
                var tables = (await results.ReadAsync<TableView>().ConfigureAwait(false)).ToLookup(t => (t.PipelineId, t.DestinationId));
                return pipelineIds.Distinct().ToImmutableDictionary(
                    id => id,
                    id => new PipelineStatusView(
                        id,
                        runtimes.GetValueOrDefault(id),
                        destinations[id].ToImmutableDictionary(
                            d => d.DestinationId, d => d with { Tables = [.. tables[(id, d.DestinationId)]] })));
            },
            cancellationToken);
}
