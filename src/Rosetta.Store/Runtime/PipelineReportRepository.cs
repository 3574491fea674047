using System.Text.Json;
using Dapper;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Tables;
using Rosetta.Store.Configuration;

namespace Rosetta.Store.Runtime;

/// <summary>Writes the reports of the pipelines' nodes.</summary>
public sealed class PipelineReportRepository(ConfigDatabase database)
{
    /// <summary>
    /// One statement for the whole report: it is there as a whole or not at all, and rows that did not change are not written again.
    /// </summary>
    const string Sql =
        $"""
        WITH {EpochRepository.Fence},
        destinations AS (
            SELECT r.* FROM fence, jsonb_to_recordset(@Destinations::jsonb) AS r (
                destination_id bigint, health_status text, lane text, wal_size bigint, lag_bytes bigint, lag_seconds double precision, applied_lsn pg_lsn,
                last_success_time timestamptz, last_error text, remedy text, dlq_count bigint, spill jsonb, tables jsonb)
            JOIN pipeline_destinations d ON d.pipeline_id = @PipelineId AND d.destination_id = r.destination_id
            -- Waits for a detach that is under way, and then leaves the destination out.
            FOR KEY SHARE OF d),
        tables AS (
            SELECT d.destination_id, t.* FROM destinations d, jsonb_to_recordset(d.tables) AS t (
                table_name text, target text, state text, snapshot_rows bigint, snapshot_rows_estimated bigint, rows_inserted bigint, rows_updated bigint,
                rows_deleted bigint, error text, remedy text, snapshot_bytes bigint, snapshot_rows_per_second double precision, snapshot_seconds_left double precision,
                snapshot_waits_for text, last_resync jsonb)
            WHERE jsonb_typeof(d.tables) = 'array'),
        runtime AS (
            INSERT INTO pipeline_runtime (pipeline_id, epoch, state, node, since, restarts, last_error, remedy, slot, received_lsn, confirmed_lsn,
                wal_retained_bytes, updated_at)
            SELECT @PipelineId, @Epoch, @State, @Node, @Since, @Restarts, @LastError, @Remedy, @Slot, @ReceivedLsn, @ConfirmedLsn, @WalRetainedBytes,
                clock_timestamp() FROM fence
            ON CONFLICT (pipeline_id) DO UPDATE SET epoch = excluded.epoch, state = excluded.state, node = excluded.node, since = excluded.since,
                restarts = excluded.restarts, last_error = excluded.last_error, remedy = excluded.remedy, slot = excluded.slot,
                received_lsn = excluded.received_lsn, confirmed_lsn = excluded.confirmed_lsn, wal_retained_bytes = excluded.wal_retained_bytes,
                updated_at = excluded.updated_at),
        metadata AS (
            INSERT INTO pipeline_metadata AS m (pipeline_id, destination_id, health_status, lane, wal_size, lag_bytes, lag_seconds, applied_lsn,
                last_success_time, last_error, remedy, dlq_count, spill, updated_at)
            SELECT @PipelineId, d.destination_id, d.health_status, d.lane, d.wal_size, d.lag_bytes, d.lag_seconds, d.applied_lsn, d.last_success_time, d.last_error, d.remedy,
                coalesce(d.dlq_count, b.dlq_count, 0), d.spill, clock_timestamp()
            FROM destinations d LEFT JOIN pipeline_metadata b ON b.pipeline_id = @PipelineId AND b.destination_id = d.destination_id
            ON CONFLICT (pipeline_id, destination_id) DO UPDATE SET health_status = excluded.health_status, lane = excluded.lane,
                wal_size = excluded.wal_size, lag_bytes = excluded.lag_bytes, lag_seconds = excluded.lag_seconds,
                applied_lsn = coalesce(excluded.applied_lsn, m.applied_lsn),
                last_success_time = coalesce(excluded.last_success_time, m.last_success_time), last_error = excluded.last_error,
                remedy = excluded.remedy, dlq_count = excluded.dlq_count, spill = excluded.spill, updated_at = excluded.updated_at),
        gone AS (
            DELETE FROM table_states s USING destinations d
            WHERE s.pipeline_id = @PipelineId AND s.destination_id = d.destination_id AND jsonb_typeof(d.tables) = 'array'
                AND NOT EXISTS (SELECT FROM tables t WHERE t.destination_id = s.destination_id AND t.table_name = s.table_name)),
        states AS (
            INSERT INTO table_states AS s (pipeline_id, destination_id, table_name, target, state, snapshot_rows, snapshot_rows_estimated, rows_inserted,
                rows_updated, rows_deleted, error, remedy, snapshot_bytes, snapshot_rows_per_second, snapshot_seconds_left, snapshot_waits_for, last_resync, updated_at)
            SELECT @PipelineId, destination_id, table_name, target, state, snapshot_rows, snapshot_rows_estimated, rows_inserted, rows_updated, rows_deleted,
                error, remedy, coalesce(snapshot_bytes, 0), snapshot_rows_per_second, snapshot_seconds_left, snapshot_waits_for, last_resync, clock_timestamp() FROM tables
            ON CONFLICT (pipeline_id, destination_id, table_name) DO UPDATE SET target = excluded.target, state = excluded.state,
                snapshot_rows = excluded.snapshot_rows, snapshot_rows_estimated = excluded.snapshot_rows_estimated, rows_inserted = excluded.rows_inserted,
                rows_updated = excluded.rows_updated, rows_deleted = excluded.rows_deleted, error = excluded.error, remedy = excluded.remedy,
                snapshot_bytes = excluded.snapshot_bytes, snapshot_rows_per_second = excluded.snapshot_rows_per_second,
                snapshot_seconds_left = excluded.snapshot_seconds_left, snapshot_waits_for = excluded.snapshot_waits_for,
                last_resync = excluded.last_resync, updated_at = excluded.updated_at
            WHERE (s.target, s.state, s.snapshot_rows, s.snapshot_rows_estimated, s.rows_inserted, s.rows_updated, s.rows_deleted, s.error, s.remedy,
                    s.snapshot_bytes, s.snapshot_rows_per_second, s.snapshot_seconds_left, s.snapshot_waits_for, s.last_resync)
                IS DISTINCT FROM (excluded.target, excluded.state, excluded.snapshot_rows, excluded.snapshot_rows_estimated, excluded.rows_inserted,
                    excluded.rows_updated, excluded.rows_deleted, excluded.error, excluded.remedy,
                    excluded.snapshot_bytes, excluded.snapshot_rows_per_second, excluded.snapshot_seconds_left, excluded.snapshot_waits_for, excluded.last_resync))
        SELECT EXISTS (SELECT FROM fence)
        """;

    /// <summary>Saves a report.</summary>
    /// <returns>False when its epoch is no longer the newest: the incarnation is fenced and must stop.</returns>
    /// <exception cref="ConfigDatabaseUnavailableException">The config database is away; the next report says it all again.</exception>
    public Task<bool> SaveAsync(PipelineReport report, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(report);
        return database.WriteAsync(
            connection => connection.QuerySingleAsync<bool>(new CommandDefinition(
                Sql,
                new
                {
                    report.PipelineId,
                    report.Epoch,
                    State = report.State.ToName(),
                    report.Node,
                    Since = report.Since.UtcDateTime,
                    report.Restarts,
                    LastError = StoreTypes.Storable(report.LastError),
                    Remedy = StoreTypes.Storable(report.Remedy),
                    report.Slot,
                    report.ReceivedLsn,
                    report.ConfirmedLsn,
                    report.WalRetainedBytes,
                    Destinations = JsonSerializer.Serialize(report.Destinations.Select(ToRow), StoreTypes.Json),
                },
                cancellationToken: cancellationToken)),
            cancellationToken);
    }

    static object ToRow(DestinationReport report) => new
    {
        report.DestinationId,
        HealthStatus = report.Health.ToName(),
        Lane = report.Lane.ToName(),
        report.WalSize,
        report.LagBytes,
        report.LagSeconds,
        report.AppliedLsn,
        report.LastSuccessTime,
        report.DlqCount,
        LastError = StoreTypes.Storable(report.LastError),
        Remedy = StoreTypes.Storable(report.Remedy),
        Spill = report.Spill is { } spill ? spill with { Error = StoreTypes.Storable(spill.Error), Remedy = StoreTypes.Storable(spill.Remedy) } : null,
        Tables = report.Tables?.Select(t => new
        {
            TableName = t.Table.ToString(),
            Target = t.Target?.ToString(),
            State = t.State.ToName(),
            t.SnapshotRows,
            t.SnapshotRowsEstimated,
            t.RowsInserted,
            t.RowsUpdated,
            t.RowsDeleted,
            Error = StoreTypes.Storable(t.Error),
            Remedy = StoreTypes.Storable(t.Remedy),
            SnapshotBytes = t.Copy?.Bytes ?? 0,
            SnapshotRowsPerSecond = t.Copy?.RowsPerSecond,
            SnapshotSecondsLeft = t.Copy?.SecondsLeft,
            SnapshotWaitsFor = StoreTypes.Storable(t.Copy?.WaitsFor),
            t.LastResync,
        }),
    };
}
