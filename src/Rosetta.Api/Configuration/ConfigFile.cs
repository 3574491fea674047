using System.Text.Json.Nodes;
using Rosetta.Api.Pipelines;

namespace Rosetta.Api.Configuration;

/// <summary>
/// The configuration file. A section that is absent is not touched; an object that is absent in a section is left alone, unless <paramref name="Prune"/>
/// is true. A field that is absent keeps its value in an object that exists, and has its default in a new one.
/// </summary>
/// <param name="Version">1.</param>
/// <param name="Prune">True: what a section does not have is deleted.</param>
/// <param name="Sources">Each as the body of POST or PUT of a source.</param>
/// <param name="Destinations">Each as the body of POST or PUT of a destination.</param>
public sealed record ConfigFile(
    int Version,
    bool Prune = false,
    IReadOnlyList<JsonObject>? Sources = null,
    IReadOnlyList<JsonObject>? Destinations = null,
    IReadOnlyList<ConfigPreset>? Presets = null,
    IReadOnlyList<ConfigPipeline>? Pipelines = null);

/// <summary>A preset in the configuration file.</summary>
public sealed record ConfigPreset(string Name, IReadOnlyList<TableSyncBody>? TableSyncs = null);

/// <summary>A pipeline in the configuration file.</summary>
/// <param name="Source">Name of its source; a new pipeline needs one.</param>
/// <param name="Status">START or PAUSE; a new pipeline is paused.</param>
public sealed record ConfigPipeline(
    string Name, string? Source = null, string? Status = null, IReadOnlyList<ConfigPipelineDestination>? Destinations = null);

/// <summary>A destination of a pipeline in the configuration file.</summary>
/// <param name="Destination">Name of the destination.</param>
/// <param name="Snapshot">initial or none; it counts when the destination is attached.</param>
public sealed record ConfigPipelineDestination(string Destination, string? Snapshot = null, IReadOnlyList<TableSyncBody>? TableSyncs = null);
