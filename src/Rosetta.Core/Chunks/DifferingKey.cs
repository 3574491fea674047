using System.Text.Json;

namespace Rosetta.Core.Chunks;

/// <summary>A row that is not the same on both sides. For those who asked, never for a log: a key is a value.</summary>
/// <param name="Kind"><see cref="Missing"/>, <see cref="Different"/> or <see cref="Extra"/>.</param>
/// <param name="Key">An object with the key's columns.</param>
/// <param name="Columns">Names of the columns that differ; empty for a row that is on one side only.</param>
public sealed record DifferingKey(string Kind, JsonElement Key, IReadOnlyList<string> Columns)
{
    /// <summary>Only the source has it.</summary>
    public const string Missing = "missing";

    /// <summary>Both have it, with other values.</summary>
    public const string Different = "different";

    /// <summary>Only the destination has it.</summary>
    public const string Extra = "extra";

    /// <summary>So many are named of a table; all are counted.</summary>
    public const int MostNamed = 100;
}
