using Rosetta.Api.Pipelines;

namespace Rosetta.Api.Presets;

/// <summary>Body of <c>POST /presets</c>: a name, and either the tables or where to take them from.</summary>
/// <param name="TableSyncs">As of a pipeline's destination; empty means every user table.</param>
/// <param name="From">A destination of a pipeline whose choice is copied.</param>
public sealed record CreatePreset(string Name, IReadOnlyList<TableSyncBody>? TableSyncs = null, PresetOrigin? From = null);

/// <summary>A destination of a pipeline.</summary>
public sealed record PresetOrigin(long PipelineId, long DestinationId);

/// <summary>Body of <c>PUT /presets/{id}</c>: what is absent stays; the list of tables is replaced as a whole.</summary>
/// <param name="Id">Accepted and ignored, so that an answer of GET can be sent back.</param>
/// <param name="CreatedAt">Accepted and ignored.</param>
/// <param name="UpdatedAt">Accepted and ignored.</param>
public sealed record ChangePreset(
    string? Name = null, IReadOnlyList<TableSyncBody>? TableSyncs = null, long? Id = null, string? CreatedAt = null, string? UpdatedAt = null);

/// <summary>A preset in answers.</summary>
public sealed record PresetAnswer(long Id, string Name, IReadOnlyList<TableSyncBody> TableSyncs, DateTime CreatedAt, DateTime UpdatedAt);
