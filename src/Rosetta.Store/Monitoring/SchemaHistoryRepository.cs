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
