using System.Text.Json;

namespace Rosetta.Client.Answers;

/// <summary>A destination as the API shows it: without secrets.</summary>
/// <param name="Type">POSTGRES, ...; it says what <paramref name="Config"/> holds.</param>
public sealed record Destination(long Id, string Name, string Type, JsonElement Config);
