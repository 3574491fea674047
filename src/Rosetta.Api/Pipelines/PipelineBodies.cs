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
public sealed record TableSyncBody(
    string TableName,
    string? TableNameTarget = null,
    IReadOnlyList<string>? Columns = null,
    string? FilterSql = null,
    string? CustomSql = null,
    bool Enabled = true);

/// <summary>Body of <c>POST /pipelines/{id}/resync</c>.</summary>
/// <param name="DestinationIds">Null: all destinations of the pipeline.</param>
public sealed record ResyncPipeline(IReadOnlyList<long>? DestinationIds = null);
