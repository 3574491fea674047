namespace Rosetta.Testing.Servers;

/// <summary>Quoting for SQL text.</summary>
public static class SqlName
{
    /// <summary>An identifier, always quoted.</summary>
    public static string Quote(string identifier) => $"\"{identifier.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    /// <summary>schema.name, both quoted.</summary>
    public static string Quote(string schema, string name) => $"{Quote(schema)}.{Quote(name)}";

    /// <summary>schema.name for people: quoted only where SQL needs it.</summary>
    public static string Readable(string schema, string name) => $"{Readable(schema)}.{Readable(name)}";

    /// <summary>A string literal; with backslashes as they are (standard_conforming_strings is on everywhere).</summary>
    public static string Literal(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";

    static string Readable(string identifier) =>
        identifier.Length > 0 && !char.IsAsciiDigit(identifier[0])
            && identifier.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_')
                ? identifier
                : Quote(identifier);
}
