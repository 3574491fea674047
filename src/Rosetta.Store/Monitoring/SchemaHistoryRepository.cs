using System.Text.Json;
using System.Text.Json.Nodes;
using Dapper;
using Rosetta.Core.Positions;
using Rosetta.Store.Configuration;

namespace Rosetta.Store.Monitoring;

/// <summary>A change of a source table's definition.</summary>
/// <param name="Lsn">Where it was seen in the stream; null when it was found in the catalog.</param>
/// <param name="Change">What changed, in words ("column added: note text").</param>
/// <param name="Columns">The columns after it, a JSON array.</param>
public sealed record SchemaChange(long SourceId, long? PipelineId, string Table, Lsn? Lsn, string Change, JsonArray Columns, DateTime RecordedAt);

/// <summary>A table of a source as it was at the last look.</summary>
/// <param name="Columns">A JSON array.</param>
/// <param name="Fingerprint">Equal when nothing differs.</param>
public sealed record KnownShape(string Table, uint Oid, string Columns, string Fingerprint);

/// <summary>A change that a look at the catalog found.</summary>
/// <param name="Columns">The columns after it, a JSON array; of a dropped table as they were.</param>
public sealed record NewSchemaChange(string Table, string Change, string Columns);

/// <summary>The history of the sources' tables. Every method may throw <see cref="ConfigDatabaseUnavailableException"/>.</summary>
public sealed class SchemaHistoryRepository(ConfigDatabase database)
{
    /// <summary>Adds a change, at the database's time; nothing when its source is gone.</summary>
    public Task AddAsync(long sourceId, long? pipelineId, string table, Lsn? lsn, string change, JsonArray columns, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(columns);
        return database.WriteAsync(
            connection => connection.ExecuteAsync(new CommandDefinition(
                """
                INSERT INTO schema_history (source_id, pipeline_id, table_name, lsn, change, columns)
                SELECT s.id, (SELECT p.id FROM pipelines p WHERE p.id = @pipelineId), @table, @lsn, @change, @columns::jsonb
                FROM sources s WHERE s.id = @sourceId
                """,
                new { sourceId, pipelineId, table, lsn, change = StoreTypes.Storable(change), columns = columns.ToJsonString() },
                cancellationToken: cancellationToken)),
            cancellationToken);
    }

    /// <summary>The tables of a source as they were at the last look; empty before the first.</summary>
    public Task<IReadOnlyList<KnownShape>> ShapesAsync(long sourceId, CancellationToken cancellationToken) =>
        database.ReadAsync<IReadOnlyList<KnownShape>>(
            async connection =>
            {
                var rows = await connection.QueryAsync<(string Table, long Oid, string Columns, string Fingerprint)>(new CommandDefinition(
                    "SELECT table_name, oid, columns::text, fingerprint FROM known_shapes WHERE source_id = @sourceId ORDER BY table_name",
                    new { sourceId }, cancellationToken: cancellationToken)).ConfigureAwait(false);
                return [.. rows.Select(r => new KnownShape(r.Table, (uint)r.Oid, r.Columns, r.Fingerprint))];
            },
            cancellationToken);

    /// <summary>Adds changes and replaces what was known by what is now, at once; nothing when the source is gone.</summary>
    public Task RememberAsync(
        long sourceId, IReadOnlyCollection<KnownShape> now, IReadOnlyCollection<NewSchemaChange> changes, CancellationToken cancellationToken) =>
        database.TransactAsync(
            async (connection, transaction) =>
            {
                var arguments = new
                {
                    sourceId, now = JsonSerializer.Serialize(now.Select(s => new { s.Table, oid = (long)s.Oid, columns = JsonNode.Parse(s.Columns), s.Fingerprint }), StoreTypes.Json),
                    changes = JsonSerializer.Serialize(changes.Select(c => new { c.Table, c.Change, columns = JsonNode.Parse(c.Columns) }), StoreTypes.Json),
                };
                return await connection.ExecuteAsync(new CommandDefinition(
                    """
                    SELECT FROM sources WHERE id = @sourceId FOR UPDATE;
                    INSERT INTO schema_history (source_id, table_name, change, columns)
                    SELECT s.id, c."table", c.change, c.columns FROM sources s, jsonb_to_recordset(@changes::jsonb) AS c ("table" text, change text, columns jsonb)
                    WHERE s.id = @sourceId;
                    DELETE FROM known_shapes WHERE source_id = @sourceId;
                    INSERT INTO known_shapes (source_id, table_name, oid, columns, fingerprint)
                    SELECT s.id, n."table", n.oid, n.columns, n.fingerprint
                    FROM sources s, jsonb_to_recordset(@now::jsonb) AS n ("table" text, oid bigint, columns jsonb, fingerprint text) WHERE s.id = @sourceId;
                    """,
                    arguments, transaction, cancellationToken: cancellationToken)).ConfigureAwait(false);
            },
            cancellationToken);

    /// <summary>The changes of a source, newest first.</summary>
    public Task<Page<SchemaChange>> ListAsync(long sourceId, int limit, int offset, CancellationToken cancellationToken) =>
        database.ReadAsync(
            async connection =>
            {
                using var results = await connection.QueryMultipleAsync(new CommandDefinition(
                    """
                    SELECT count(*) FROM schema_history WHERE source_id = @sourceId;
                    SELECT source_id, pipeline_id, table_name, lsn, change, columns::text AS columns, recorded_at FROM schema_history
                    WHERE source_id = @sourceId ORDER BY id DESC LIMIT @limit OFFSET @offset
                    """,
                    new { sourceId, limit, offset }, cancellationToken: cancellationToken)).ConfigureAwait(false);
                var total = await results.ReadSingleAsync<long>().ConfigureAwait(false);
                var rows = await results.ReadAsync<Row>().ConfigureAwait(false);
                return new Page<SchemaChange>(
                    [
                        .. rows.Select(r => new SchemaChange(
                            r.SourceId, r.PipelineId, r.TableName, r.Lsn, r.Change, (JsonArray)JsonNode.Parse(r.Columns)!, r.RecordedAt)),
                    ],
                    total);
            },
            cancellationToken);

    sealed record Row
    {
        public long SourceId { get; init; }

        public long? PipelineId { get; init; }

        public string TableName { get; init; } = "";

        public Lsn? Lsn { get; init; }

        public string Change { get; init; } = "";

        public string Columns { get; init; } = "[]";

        public DateTime RecordedAt { get; init; }
    }
}
