using System.Text.Json;

namespace Rosetta.Client.Answers;

/// <summary>A saved choice of tables.</summary>
/// <param name="TableSyncs">As of a pipeline's destination; empty means every user table.</param>
public sealed record Preset(long Id, string Name, IReadOnlyList<JsonElement> TableSyncs);
