using System.Collections.Immutable;
using System.Text.Json;
using Dapper;
using Rosetta.Store.Configuration;

namespace Rosetta.Store.Monitoring;

/// <summary>The WAL of a source at one time.</summary>
/// <param name="WalSizeBytes">Size of the source's pg_wal, as far as it may be read.</param>
public sealed record WalMetric(long SourceId, DateTime RecordedAt, long WalSizeBytes, ImmutableArray<SlotMetric> Slots);

/// <param name="RetainedBytes">WAL that the slot keeps from being removed; null for a slot without a restart position.</param>
public sealed record SlotMetric(string Slot, long? RetainedBytes, bool Active);

/// <summary>The history of the sources' WAL. Every method may throw <see cref="ConfigDatabaseUnavailableException"/>.</summary>
public sealed class WalMetricRepository(ConfigDatabase database)
{
    /// <summary>Adds a measurement, at the database's time, and removes those older than <paramref name="retention"/>.</summary>
    public Task AddAsync(long sourceId, long walSizeBytes, IReadOnlyCollection<SlotMetric> slots, TimeSpan retention, CancellationToken cancellationToken) =>
        database.WriteAsync(
            connection => connection.ExecuteAsync(new CommandDefinition(
                """
                WITH old AS (DELETE FROM wal_metrics WHERE recorded_at < clock_timestamp() - @retention)
                INSERT INTO wal_metrics (source_id, wal_size_bytes, slots) SELECT id, @walSizeBytes, @slots::jsonb FROM sources WHERE id = @sourceId
                """,
                new { sourceId, walSizeBytes, retention, slots = JsonSerializer.Serialize(slots, StoreTypes.Json) }, cancellationToken: cancellationToken)),
            cancellationToken);

    /// <summary>Measurements of the last <paramref name="period"/>, oldest first; of all sources when <paramref name="sourceId"/> is null.</summary>
    public Task<ImmutableArray<WalMetric>> ListAsync(long? sourceId, TimeSpan period, CancellationToken cancellationToken) =>
        database.ReadAsync<ImmutableArray<WalMetric>>(
            async connection =>
            {
                var rows = await connection.QueryAsync<(long SourceId, DateTime RecordedAt, long WalSize, string Slots)>(new CommandDefinition(
                    """
                    SELECT source_id, recorded_at, wal_size_bytes, slots::text FROM wal_metrics
                    WHERE recorded_at >= clock_timestamp() - @period AND (@sourceId::bigint IS NULL OR source_id = @sourceId) ORDER BY recorded_at, id
                    """,
                    new { sourceId, period }, cancellationToken: cancellationToken)).ConfigureAwait(false);
                return
                [
                    .. rows.Select(r => new WalMetric(
                        r.SourceId, r.RecordedAt, r.WalSize, [.. JsonSerializer.Deserialize<SlotMetric[]>(r.Slots, StoreTypes.Json)!])),
                ];
            },
            cancellationToken);
}
