using System.Text;

namespace Rosetta.Core.Tables;

/// <summary>
/// A table as the catalog names it: no quoting, no case folding. Its text form is <c>schema.table</c>; a part that contains <c>.</c>,
/// <c>"</c> or <c>*</c> is written with SQL double quotes, which are always accepted.
/// </summary>
public readonly record struct TableName(string Schema, string Name)
{
    public const string DefaultSchema = "public";

    /// <summary>Reads <c>schema.table</c>, or <c>table</c> in <paramref name="defaultSchema"/>.</summary>
    public static bool TryParse(string? text, out TableName table, string? defaultSchema = DefaultSchema)
    {
        table = default;
        if (string.IsNullOrEmpty(text))
            return false;
        var parts = new List<string>(2);
        var position = 0;
        while (true)
        {
            if (!TryReadPart(text, ref position, out var part))
                return false;
            parts.Add(part);
            if (position == text.Length)
                break;
            if (text[position++] != '.' || parts.Count == 2)
                return false;
        }

        if (parts.Count == 1)
        {
            if (defaultSchema is null)
                return false;
            table = new TableName(defaultSchema, parts[0]);
            return true;
        }

        table = new TableName(parts[0], parts[1]);
        return true;
    }

    /// <exception cref="FormatException">Not a table name.</exception>
    public static TableName Parse(string text, string? defaultSchema = DefaultSchema) =>
        TryParse(text, out var table, defaultSchema)
            ? table
            : throw new FormatException($"'{text}' is not a table name; write schema.table, with double quotes around a part that contains . \" or *.");

    /// <summary>For SQL: both parts always quoted.</summary>
    public string ToSql() => $"{SqlIdentifier.Quote(Schema)}.{SqlIdentifier.Quote(Name)}";

    public override string ToString() => $"{Plain(Schema)}.{Plain(Name)}";

    static string Plain(string part) => part.Length == 0 || part.AsSpan().IndexOfAny(".\"*") >= 0 ? SqlIdentifier.Quote(part) : part;

    static bool TryReadPart(string text, ref int position, out string part)
    {
        part = "";
        if (position >= text.Length)
            return false;
        if (text[position] != '"')
        {
            var end = text.IndexOf('.', position);
            if (end < 0)
                end = text.Length;
            part = text[position..end];
            position = end;
            return part.Length > 0 && part.AsSpan().IndexOfAny("\"\0") < 0;
        }

        var builder = new StringBuilder();
        for (position++; position < text.Length; position++)
        {
            if (text[position] != '"')
            {
                builder.Append(text[position]);
                continue;
            }

            if (position + 1 < text.Length && text[position + 1] == '"')
            {
                builder.Append('"');
                position++;
                continue;
            }

            position++;
            part = builder.ToString();
            return part.Length > 0 && !part.Contains('\0', StringComparison.Ordinal);
        }

        return false;
    }
}
