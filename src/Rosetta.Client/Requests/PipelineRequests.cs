namespace Rosetta.Client.Requests;

/// <summary>Body of <c>POST /pipelines</c>.</summary>
public sealed record NewPipeline(string Name, long SourceId);

/// <summary>Body of <c>POST /pipelines/{id}/destinations</c>.</summary>
/// <param name="Snapshot">initial (copy what is there, then follow) or none (changes from now on).</param>
/// <param name="PresetId">In place of the tables: those of a preset, copied now.</param>
public sealed record AttachDestination(
    long DestinationId, string? Snapshot = null, IReadOnlyList<TableSync>? TableSyncs = null, long? PresetId = null);

/// <summary>Which table, where to, and what is made of its rows.</summary>
public sealed record TableSync(
    string TableName, string? TableNameTarget = null, IReadOnlyList<string>? Columns = null, bool? Enabled = null, string? FilterSql = null, string? CustomSql = null,
    string? DeleteMode = null, string? DeletedColumn = null, IReadOnlyList<string>? Ignore = null, IReadOnlyList<string>? Metadata = null,
    MetadataNames? MetadataNames = null, bool? WithIndexes = null, string? DeletedType = null);

/// <summary>Names of the columns of metadata; null: as they are by default.</summary>
public sealed record MetadataNames(string? CommitTime = null, string? Lsn = null, string? Operation = null);

/// <summary>Body of <c>POST /pipelines/{id}/destinations/{dest_id}/tables/{table}/preview</c>.</summary>
public sealed record PreviewTransform(string? FilterSql = null, string? CustomSql = null, IReadOnlyList<string>? Columns = null, int? Limit = null);

/// <summary>Body of <c>POST /pipelines/{id}/resync</c>; null: every destination.</summary>
public sealed record Resync(IReadOnlyList<long>? DestinationIds);

/// <summary>Body of <c>POST /sources/{id}/publication</c>: one of the two.</summary>
public sealed record NewPublication(IReadOnlyList<string>? Tables = null, bool? AllUserTables = null);
