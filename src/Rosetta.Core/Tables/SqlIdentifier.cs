namespace Rosetta.Core.Tables;

/// <summary>Quoting for SQL text that is built: identifiers and literals, never anything else.</summary>
public static class SqlIdentifier
{
    /// <summary>A double-quoted identifier.</summary>
    public static string Quote(string identifier) => $"\"{identifier.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    /// <summary>A string literal that reads the same whatever standard_conforming_strings says.</summary>
    public static string Literal(string text)
    {
        var quoted = text.Replace("'", "''", StringComparison.Ordinal);
        return quoted.Contains('\\', StringComparison.Ordinal)
            ? $" E'{quoted.Replace("\\", "\\\\", StringComparison.Ordinal)}'"
            : $"'{quoted}'";
    }
}
