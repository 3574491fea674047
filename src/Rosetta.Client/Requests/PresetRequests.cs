namespace Rosetta.Client.Requests;

/// <summary>Body of <c>POST /presets</c>: the tables, or where to take them from.</summary>
public sealed record NewPreset(string Name, IReadOnlyList<TableSync>? TableSyncs = null, PresetOrigin? From = null);

/// <summary>A destination of a pipeline whose choice of tables is copied.</summary>
public sealed record PresetOrigin(long PipelineId, long DestinationId);

/// <summary>Body of <c>PUT /pipelines/{id}/destinations/{dest_id}/tables</c>: one of the two.</summary>
public sealed record ReplaceTables(IReadOnlyList<TableSync>? TableSyncs = null, long? PresetId = null);
