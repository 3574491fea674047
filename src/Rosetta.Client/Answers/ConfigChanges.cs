using System.Text.Json;

namespace Rosetta.Client.Answers;

/// <summary>What becomes of the objects of a configuration file.</summary>
/// <param name="Applied">True: it was done.</param>
public sealed record ConfigChanges(IReadOnlyList<ConfigChange> Changes, bool Applied);

/// <summary>What becomes of one object.</summary>
/// <param name="Kind">create, update, delete or none.</param>
/// <param name="Object">source, destination, preset, pipeline or pipeline_destination.</param>
/// <param name="Refused">Why it cannot be done now; null when it can.</param>
/// <param name="Line">In the file; null for what it does not have.</param>
/// <param name="Warnings">What works, but not in every case.</param>
public sealed record ConfigChange(string Kind, string Object, string Name, IReadOnlyList<ConfigField> Fields, string? Refused, long? Line, IReadOnlyList<string>? Warnings = null);

/// <summary>A field that changes; secrets are <c>***</c>.</summary>
public sealed record ConfigField(string Field, JsonElement? Old, JsonElement? New);
