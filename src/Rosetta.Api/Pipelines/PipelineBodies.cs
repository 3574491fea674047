namespace Rosetta.Api.Pipelines;

/// <summary>Body of <c>POST /pipelines</c>.</summary>
public sealed record CreatePipeline(string Name, long SourceId);

/// <summary>Body of <c>PUT /pipelines/{id}</c>.</summary>
/// <param name="SourceId">Cannot be changed; may be repeated.</param>
public sealed record ChangePipeline(string? Name = null, long? SourceId = null);

/// <summary>Body of <c>POST /pipelines/{id}/destinations</c>.</summary>
/// <param name="Snapshot">initial: its tables are copied first; none: changes only, from now on.</param>
/// <param name="TableSyncs">Absent or empty: every user table, new ones included.</param>
/// <param name="PresetId">In place of table_syncs: those of a preset, copied now.</param>
public sealed record AttachDestination(
    long DestinationId, string Snapshot = "initial", IReadOnlyList<TableSyncBody>? TableSyncs = null, long? PresetId = null);

/// <summary>Body of <c>PUT /pipelines/{id}/destinations/{dest_id}/tables</c>: the whole list; empty means every user table.</summary>
/// <param name="PresetId">In place of table_syncs: those of a preset, copied now.</param>
/// <param name="Resyncing">Accepted and ignored, so that an answer can be sent back.</param>
/// <param name="Warnings">Accepted and ignored.</param>
public sealed record ReplaceTableSyncs(
    IReadOnlyList<TableSyncBody>? TableSyncs = null, long? PresetId = null, IReadOnlyList<string>? Resyncing = null, IReadOnlyList<string>? Warnings = null);

/// <summary>A choice of table.</summary>
/// <param name="TableName">schema.table as in the catalog (no schema: public), or a pattern with *. A part that contains . " or * is written in double quotes.</param>
/// <param name="TableNameTarget">Null: the same name, in the destination's schema or the source's.</param>
/// <param name="Columns">Null: all. Must contain the key.</param>
/// <param name="FilterSql">A condition over the table's columns, one row at a time; null: all rows. docs/transforms.md says what it may hold.</param>
/// <param name="CustomSql">A SELECT from the table itself, one row at a time, that keeps the key; null: the columns as they are.</param>
/// <param name="Enabled">False: the table is excluded.</param>
/// <param name="DeleteMode">hard: rows are deleted; soft: they are marked in deleted_column.</param>
/// <param name="DeletedColumn">With delete_mode soft: the column that is the mark; null: _deleted_at, or _deleted with deleted_type boolean.</param>
/// <param name="Ignore">Changes that are not wanted: update, delete, truncate.</param>
/// <param name="Metadata">Columns to be added to each row: commit_time, lsn, operation (of its last change).</param>
/// <param name="MetadataNames">Their names where they are to be others than _rosetta_commit_time, _rosetta_lsn, _rosetta_operation.</param>
/// <param name="DeletedType">With delete_mode soft: timestamp (the time of the delete; null for rows that live) or boolean (true; false for rows that live). Null: timestamp.</param>
/// <param name="WithIndexes">The target gets secondary indexes, constraints and comments of the source's table; null: as the nodes are set (off unless set).</param>
public sealed record TableSyncBody(
    string TableName,
    string? TableNameTarget = null,
    IReadOnlyList<string>? Columns = null,
    string? FilterSql = null,
    string? CustomSql = null,
    bool Enabled = true,
    string DeleteMode = "hard",
    string? DeletedColumn = null,
    IReadOnlyList<string>? Ignore = null,
    IReadOnlyList<string>? Metadata = null,
    MetadataNames? MetadataNames = null,
    bool? WithIndexes = null,
    string? DeletedType = null);

/// <summary>Names of the columns of <c>metadata</c>; null: as they are by default.</summary>
public sealed record MetadataNames(string? CommitTime = null, string? Lsn = null, string? Operation = null);

/// <summary>Body of <c>POST /pipelines/{id}/resync</c>.</summary>
/// <param name="DestinationIds">Null: all destinations of the pipeline.</param>
public sealed record ResyncPipeline(IReadOnlyList<long>? DestinationIds = null);
