using System.Text.Json;
using Dapper;
using Rosetta.Core.Positions;
using Rosetta.Store.Configuration;

namespace Rosetta.Store.Runtime;

/// <summary>
/// The acknowledgement record of each pipeline. Writes carry the writer's epoch and give false when it is no longer the newest: the incarnation is
/// fenced and must stop. Every method may throw <see cref="ConfigDatabaseUnavailableException"/>: then nothing may be acknowledged.
/// </summary>
public sealed class SlotRecordRepository(ConfigDatabase database)
{
    public Task<SlotRecord?> FindAsync(long pipelineId, CancellationToken cancellationToken) =>
        database.ReadAsync(
            async connection =>
            {
                var row = await connection.QuerySingleOrDefaultAsync<Row>(new CommandDefinition(
                    """
                    SELECT pipeline_id, slot_name, system_identifier, timeline, consistent_point, catalog::text AS catalog, publication::text AS publication,
                        acknowledged_lsn, (SELECT coalesce(jsonb_agg(jsonb_build_object(
                            'destination_id', r.destination_id, 'generation', r.generation, 'position', r.rested_on) ORDER BY r.destination_id), '[]')
                        FROM slot_rested_on r WHERE r.pipeline_id = s.pipeline_id)::text AS rested_on
                    FROM slot_records s WHERE pipeline_id = @pipelineId
                    """,
                    new { pipelineId }, cancellationToken: cancellationToken)).ConfigureAwait(false);
                return row?.ToRecord();
            },
            cancellationToken);

    /// <summary>Records a new slot; an older record of the pipeline, with all that rested on it, is replaced.</summary>
    public Task<bool> SaveAsync(long epoch, SlotRecord record, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(record);
        return database.WriteAsync(
            connection => connection.QuerySingleAsync<bool>(new CommandDefinition(
                $"""
                WITH {EpochRepository.Fence}, saved AS (
                    INSERT INTO slot_records AS s (pipeline_id, epoch, slot_name, system_identifier, timeline, consistent_point, catalog, publication,
                        acknowledged_lsn)
                    SELECT @PipelineId, @Epoch, @SlotName, @SystemIdentifier, @Timeline, @ConsistentPoint, @CatalogJson::jsonb, @PublicationJson::jsonb,
                        @AcknowledgedLsn
                    FROM fence
                    ON CONFLICT (pipeline_id) DO UPDATE SET epoch = excluded.epoch, slot_name = excluded.slot_name,
                        system_identifier = excluded.system_identifier, timeline = excluded.timeline, consistent_point = excluded.consistent_point,
                        catalog = excluded.catalog, publication = excluded.publication, acknowledged_lsn = excluded.acknowledged_lsn,
                        created_at = clock_timestamp(), updated_at = clock_timestamp()
                    RETURNING 1)
                , {RestedOnSteps}
                SELECT EXISTS (SELECT FROM saved)
                """,
                new
                {
                    record.PipelineId, Epoch = epoch, record.SlotName, record.SystemIdentifier, record.Timeline, record.ConsistentPoint, record.CatalogJson,
                    record.PublicationJson, record.AcknowledgedLsn, RestedOn = ToJson(record.RestedOn),
                },
                cancellationToken: cancellationToken)),
            cancellationToken);
    }

    /// <summary>
    /// Records what is about to be acknowledged and the durable positions it rests on; <paramref name="restedOn"/> replaces the whole earlier set.
    /// Only after true may the source be told. One statement.
    /// </summary>
    public Task<bool> RecordAcknowledgementAsync(
        long pipelineId, long epoch, Lsn acknowledgedLsn, IReadOnlyCollection<RestedOn> restedOn, CancellationToken cancellationToken) =>
        database.WriteAsync(
            connection => connection.QuerySingleAsync<bool>(new CommandDefinition(
                $"""
                WITH {EpochRepository.Fence}, saved AS (
                    UPDATE slot_records SET epoch = @Epoch, acknowledged_lsn = @AcknowledgedLsn, updated_at = clock_timestamp()
                    FROM fence WHERE pipeline_id = @PipelineId
                    RETURNING 1)
                , {RestedOnSteps}
                SELECT EXISTS (SELECT FROM saved)
                """,
                new { PipelineId = pipelineId, Epoch = epoch, AcknowledgedLsn = acknowledgedLsn, RestedOn = ToJson(restedOn) },
                cancellationToken: cancellationToken)),
            cancellationToken);

    /// <summary>Records the publications' facts after a change that was made, or followed, by the pipeline itself.</summary>
    public Task<bool> SavePublicationAsync(long pipelineId, long epoch, string publicationJson, CancellationToken cancellationToken) =>
        database.WriteAsync(
            connection => connection.QuerySingleAsync<bool>(new CommandDefinition(
                $"""
                WITH {EpochRepository.Fence}, saved AS (
                    UPDATE slot_records SET epoch = @Epoch, publication = @Publication::jsonb, updated_at = clock_timestamp()
                    FROM fence WHERE pipeline_id = @PipelineId
                    RETURNING 1)
                SELECT EXISTS (SELECT FROM saved)
                """,
                new { PipelineId = pipelineId, Epoch = epoch, Publication = publicationJson }, cancellationToken: cancellationToken)),
            cancellationToken);

    /// <summary>Forgets the slot, after it was dropped at the source.</summary>
    /// <returns>False when fenced; true also when there was no record.</returns>
    public Task<bool> ForgetAsync(long pipelineId, long epoch, CancellationToken cancellationToken) =>
        database.WriteAsync(
            connection => connection.QuerySingleAsync<bool>(new CommandDefinition(
                $"""
                WITH {EpochRepository.Fence}, gone AS (DELETE FROM slot_records USING fence WHERE pipeline_id = @PipelineId)
                SELECT EXISTS (SELECT FROM fence)
                """,
                new { PipelineId = pipelineId, Epoch = epoch }, cancellationToken: cancellationToken)),
            cancellationToken);

    /// <summary>Replaces the pipeline's rested_on rows by those of @RestedOn, when the record was saved; a destination taken out meanwhile is left out.</summary>
    const string RestedOnSteps =
        """
        given AS (
            SELECT g.destination_id, g.generation, g.position FROM jsonb_to_recordset(@RestedOn::jsonb)
                AS g (destination_id bigint, generation uuid, position pg_lsn)
            JOIN pipeline_destinations d ON d.pipeline_id = @PipelineId AND d.destination_id = g.destination_id
            WHERE EXISTS (SELECT FROM saved)
            FOR KEY SHARE OF d),
        gone AS (
            DELETE FROM slot_rested_on r WHERE r.pipeline_id = @PipelineId AND EXISTS (SELECT FROM saved)
                AND NOT EXISTS (SELECT FROM given g WHERE g.destination_id = r.destination_id)),
        rested AS (
            INSERT INTO slot_rested_on (pipeline_id, destination_id, generation, rested_on)
            SELECT @PipelineId, destination_id, generation, position FROM given
            ON CONFLICT (pipeline_id, destination_id) DO UPDATE SET generation = excluded.generation, rested_on = excluded.rested_on)
        """;

    static string ToJson(IEnumerable<RestedOn> restedOn) => JsonSerializer.Serialize(restedOn, StoreTypes.Json);

    sealed record Row
    {
        public long PipelineId { get; init; }

        public string SlotName { get; init; } = "";

        public string SystemIdentifier { get; init; } = "";

        public int Timeline { get; init; }

        public Lsn ConsistentPoint { get; init; }

        public string Catalog { get; init; } = "{}";

        public string Publication { get; init; } = "{}";

        public Lsn? AcknowledgedLsn { get; init; }

        public string RestedOn { get; init; } = "[]";

        public SlotRecord ToRecord() => new(
            PipelineId, SlotName, SystemIdentifier, Timeline, ConsistentPoint, Catalog, Publication, AcknowledgedLsn,
            [.. JsonSerializer.Deserialize<RestedOn[]>(RestedOn, StoreTypes.Json)!]);
    }
}
