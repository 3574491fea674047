using Rosetta.Store.Runtime;

namespace Rosetta.Store.Spill;

/// <content>Statements.</content>
public sealed partial class ConfigSpillStore
{
    const string OfLog = "l.pipeline_id = @PipelineId AND l.destination_id = @DestinationId";
    const string OfParts = "p.pipeline_id = @PipelineId AND p.destination_id = @DestinationId";

    /// <summary>The commit is flushed, whatever the server does with others.</summary>
    const string Flush = "CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END";

    const string IsEmpty = "l.first_part > l.last_part";

    const string AppendSql =
        $"""
        WITH {EpochRepository.Fence}, log AS (
            UPDATE spill_logs l SET
                from_lsn = CASE WHEN {IsEmpty} THEN @From ELSE l.from_lsn END,
                through_lsn = COALESCE(@Through, CASE WHEN {IsEmpty} THEN @From ELSE l.through_lsn END),
                last_part = l.last_part + 1,
                whole_part = CASE WHEN @Through IS NULL THEN l.whole_part ELSE l.last_part + 1 END,
                transactions = l.transactions + @Transactions, bytes = l.bytes + @Bytes, raw_bytes = l.raw_bytes + @RawBytes
            FROM fence WHERE {OfLog} AND l.generation = @Generation AND l.opening = @Opening AND l.abandoned IS NULL
            RETURNING {LogRow.Columns}),
        part AS (
            INSERT INTO spill_parts (pipeline_id, destination_id, sequence, through_lsn, transactions, compression, checksum, bytes, raw_bytes, payload)
            SELECT @PipelineId, @DestinationId, log.last_part, @Through, @Transactions, @Compression, @Checksum, @Bytes, @RawBytes, @Payload FROM log)
        SELECT log.from_lsn, log.through_lsn, log.first_part, log.whole_part, log.last_part, log.transactions, log.bytes, log.raw_bytes, log.abandoned,
            COALESCE(log.oldest, now()), EXISTS (SELECT FROM fence), (SELECT l.abandoned FROM spill_logs l WHERE {OfLog}), {Flush}
        FROM (SELECT) one LEFT JOIN log ON true
        """;

    /// <summary>Behind this nothing is added any more that was sent before. A log of another generation is emptied; its parts stay outside of it until they are removed as leftovers.</summary>
    const string OpenSql =
        $"""
        INSERT INTO spill_logs AS l (pipeline_id, destination_id, generation)
        SELECT d.pipeline_id, d.destination_id, d.generation FROM pipeline_destinations d
        WHERE d.pipeline_id = @PipelineId AND d.destination_id = @DestinationId AND d.generation = @Generation
        ON CONFLICT (pipeline_id, destination_id) DO UPDATE SET
            opening = l.opening + 1,
            generation = excluded.generation,
            first_part = CASE WHEN l.generation = excluded.generation THEN l.first_part ELSE l.last_part + 1 END,
            whole_part = CASE WHEN l.generation = excluded.generation THEN l.whole_part ELSE l.last_part END,
            from_lsn = CASE WHEN l.generation = excluded.generation THEN l.from_lsn ELSE l.through_lsn END,
            transactions = CASE WHEN l.generation = excluded.generation THEN l.transactions ELSE 0 END,
            bytes = CASE WHEN l.generation = excluded.generation THEN l.bytes ELSE 0 END,
            raw_bytes = CASE WHEN l.generation = excluded.generation THEN l.raw_bytes ELSE 0 END,
            abandoned = CASE WHEN l.generation = excluded.generation THEN l.abandoned END,
            abandoned_at = CASE WHEN l.generation = excluded.generation THEN l.abandoned_at END
        RETURNING {LogRow.Columns}, l.opening, {Flush}
        """;

    /// <summary>The last part that does not end inside a transaction.</summary>
    const string EndSql =
        $"""
        SELECT p.sequence, p.through_lsn FROM spill_parts p
        WHERE {OfParts} AND p.sequence BETWEEN @First AND @Last AND p.through_lsn IS NOT NULL ORDER BY p.sequence DESC LIMIT 1
        """;

    /// <summary>The log ends with a part. Its totals are counted, this once.</summary>
    const string CutLogSql =
        $"""
        WITH {EpochRepository.Fence}, there AS (
            SELECT COALESCE(sum(p.transactions), 0)::bigint AS transactions, COALESCE(sum(p.bytes), 0)::bigint AS bytes, COALESCE(sum(p.raw_bytes), 0)::bigint AS raw_bytes
            FROM spill_parts p JOIN spill_logs l USING (pipeline_id, destination_id) WHERE {OfParts} AND p.sequence BETWEEN l.first_part AND @Last)
        UPDATE spill_logs l SET
            last_part = @Last, whole_part = @Last, transactions = there.transactions, bytes = there.bytes, raw_bytes = there.raw_bytes
        FROM fence, there WHERE {OfLog} AND l.generation = @Generation AND l.opening = @Opening
        RETURNING {LogRow.Columns}, {Flush}
        """;

    const string LockSql =
        $"""
        WITH {EpochRepository.Fence}, log AS (
            SELECT {LogRow.Columns} FROM spill_logs l, fence WHERE {OfLog} AND l.generation = @Generation FOR NO KEY UPDATE OF l)
        SELECT log.*, EXISTS (SELECT FROM fence) FROM (SELECT) one LEFT JOIN log ON true
        """;

    /// <summary>The last part that does not end inside a transaction and of which the position has everything.</summary>
    const string PassedSql =
        $"""
        SELECT p.sequence, p.through_lsn FROM spill_parts p
        WHERE {OfParts} AND p.through_lsn IS NOT NULL AND p.sequence BETWEEN @First AND COALESCE(
            (SELECT p.sequence FROM spill_parts p WHERE {OfParts} AND p.sequence BETWEEN @First AND @Last AND p.through_lsn > @Position ORDER BY p.sequence LIMIT 1) - 1, @Last)
        ORDER BY p.sequence DESC LIMIT 1
        """;

    /// <summary>A commit that is lost with its server only brings back what the destination has.</summary>
    const string LetGoSql =
        $"""
        WITH gone AS (
            SELECT COALESCE(sum(p.transactions), 0)::bigint AS transactions, COALESCE(sum(p.bytes), 0)::bigint AS bytes, COALESCE(sum(p.raw_bytes), 0)::bigint AS raw_bytes
            FROM spill_parts p WHERE {OfParts} AND p.sequence BETWEEN @First AND @Last)
        UPDATE spill_logs l SET
            from_lsn = @From, first_part = @Last + 1, transactions = l.transactions - gone.transactions, bytes = l.bytes - gone.bytes, raw_bytes = l.raw_bytes - gone.raw_bytes
        FROM gone WHERE {OfLog}
        RETURNING {LogRow.Columns}, set_config('synchronous_commit', 'off', true)
        """;

    const string AbandonSql =
        $"""
        WITH {EpochRepository.Fence}, log AS (
            INSERT INTO spill_logs AS l (pipeline_id, destination_id, generation, abandoned, abandoned_at)
            SELECT d.pipeline_id, d.destination_id, d.generation, @Reason, clock_timestamp() FROM fence, pipeline_destinations d
            WHERE d.pipeline_id = @PipelineId AND d.destination_id = @DestinationId AND d.generation = @Generation
            ON CONFLICT (pipeline_id, destination_id) DO UPDATE SET
                generation = excluded.generation, from_lsn = l.through_lsn, first_part = l.last_part + 1, whole_part = l.last_part, transactions = 0, bytes = 0, raw_bytes = 0,
                abandoned = CASE WHEN l.generation = excluded.generation THEN COALESCE(l.abandoned, excluded.abandoned) ELSE excluded.abandoned END,
                abandoned_at = CASE WHEN l.generation = excluded.generation THEN COALESCE(l.abandoned_at, excluded.abandoned_at) ELSE excluded.abandoned_at END
            RETURNING l.destination_id)
        SELECT EXISTS (SELECT FROM fence), EXISTS (SELECT FROM log), {Flush}
        """;

    /// <summary>Parts that were let go. Some at a time: deleting is work for each two kilobytes.</summary>
    const string SweepSql =
        $"""
        WITH {EpochRepository.Fence}, gone AS (
            SELECT p.sequence FROM spill_parts p, spill_logs l WHERE {OfParts} AND {OfLog} AND p.sequence < l.first_part ORDER BY p.sequence LIMIT @Limit)
        DELETE FROM spill_parts p USING fence, gone WHERE {OfParts} AND p.sequence = gone.sequence
        """;

    /// <summary>Parts that were cut off the end: their numbers are given again.</summary>
    const string SweepEndSql =
        $"""
        WITH {EpochRepository.Fence}, gone AS (
            SELECT p.sequence FROM spill_parts p, spill_logs l WHERE {OfParts} AND {OfLog} AND p.sequence > l.last_part ORDER BY p.sequence LIMIT @Limit)
        DELETE FROM spill_parts p USING fence, gone WHERE {OfParts} AND p.sequence = gone.sequence
        """;

    const string MissingSql =
        $"""
        SELECT n FROM generate_series(@First, @Last) n WHERE NOT EXISTS (SELECT FROM spill_parts p WHERE {OfParts} AND p.sequence = n) ORDER BY n LIMIT 1
        """;

    const string PartColumns =
        "p.sequence, p.through_lsn, p.transactions, p.compression, p.checksum, p.bytes, p.raw_bytes, p.payload";

    /// <summary>The number that the next part must have, and the last that may be given.</summary>
    const string ReadSql =
        $"""
        SELECT GREATEST(@Number + 1, l.first_part), l.whole_part, {PartColumns}
        FROM spill_logs l LEFT JOIN LATERAL (
            SELECT * FROM spill_parts p WHERE {OfParts} AND p.sequence BETWEEN GREATEST(@Number + 1, l.first_part) AND l.whole_part ORDER BY p.sequence LIMIT 1) p ON true
        WHERE {OfLog} AND l.generation = @Generation
        """;

    /// <summary>With a hole, what the log has ends before it.</summary>
    const string ListSql =
        $"""
        SELECT {LogRow.Columns}, l.destination_id, l.generation, CASE WHEN there.parts < l.last_part - l.first_part + 1 THEN COALESCE((
            SELECT max(p.through_lsn) FROM spill_parts p
            WHERE p.pipeline_id = l.pipeline_id AND p.destination_id = l.destination_id AND p.sequence >= l.first_part AND p.sequence < (
                SELECT min(n) FROM generate_series(l.first_part, l.last_part) n WHERE NOT EXISTS (
                    SELECT FROM spill_parts q WHERE q.pipeline_id = l.pipeline_id AND q.destination_id = l.destination_id AND q.sequence = n))), l.from_lsn) END
        FROM spill_logs l
        JOIN pipeline_destinations d ON d.pipeline_id = l.pipeline_id AND d.destination_id = l.destination_id AND d.generation = l.generation
        CROSS JOIN LATERAL (
            SELECT count(*) AS parts FROM spill_parts p
            WHERE p.pipeline_id = l.pipeline_id AND p.destination_id = l.destination_id AND p.sequence BETWEEN l.first_part AND l.last_part) there
        WHERE l.pipeline_id = @PipelineId AND ({IsEmpty} IS FALSE OR l.abandoned IS NOT NULL)
        ORDER BY l.destination_id
        """;
}
