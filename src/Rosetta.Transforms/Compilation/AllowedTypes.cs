using System.Text.Json;

namespace Rosetta.Transforms.Compilation;

/// <summary>The types that an expression may cast to, from the parser's tree to SQL.</summary>
static class AllowedTypes
{
    static readonly Dictionary<string, string> Simple = new[]
    {
        "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE", "VARCHAR", "UUID",
        "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIME", "BLOB", "INTERVAL",
    }.ToDictionary(t => t, StringComparer.Ordinal);

    /// <summary>Null for one that is not allowed.</summary>
    public static string? Sql(JsonElement type)
    {
        var id = type.GetProperty("id").GetString()!;
        if (Simple.TryGetValue(id, out var simple))
            return simple;
        var info = type.GetProperty("type_info");
        return id switch
        {
            "DECIMAL" when info.ValueKind == JsonValueKind.Object =>
                FormattableString.Invariant($"DECIMAL({info.GetProperty("width").GetInt32()},{info.GetProperty("scale").GetInt32()})"),
            "LIST" when info.ValueKind == JsonValueKind.Object && Sql(info.GetProperty("child_type")) is { } child => $"{child}[]",
            "UNBOUND" when info.GetProperty("user_type_modifiers").GetArrayLength() == 0 && info.GetProperty("schema").GetString() is "" or "main" => Named(info.GetProperty("name").GetString()!),
            _ => null,
        };
    }

    // Names that the grammar does not know by itself.
    static string? Named(string name) => name.ToUpperInvariant() switch
    {
        "JSON" or "JSONB" => "JSON",
        "TEXT" or "STRING" or "VARCHAR" => "VARCHAR",
        "UUID" => "UUID",
        "DATE" => "DATE",
        "DATETIME" or "TIMESTAMP" => "TIMESTAMP",
        "TIMESTAMPTZ" => "TIMESTAMP WITH TIME ZONE",
        "TIME" => "TIME",
        "BYTEA" or "BLOB" => "BLOB",
        "INT2" or "SHORT" => "SMALLINT",
        "INT4" or "INT" => "INTEGER",
        "INT8" or "LONG" => "BIGINT",
        "HUGEINT" => "HUGEINT",
        "BOOL" or "BOOLEAN" => "BOOLEAN",
        "FLOAT4" or "REAL" => "FLOAT",
        "FLOAT8" or "DOUBLE" => "DOUBLE",
        "TINYINT" => "TINYINT",
        "UTINYINT" => "UTINYINT",
        "USMALLINT" => "USMALLINT",
        "UINTEGER" => "UINTEGER",
        "UBIGINT" => "UBIGINT",
        "INTERVAL" => "INTERVAL",
        _ => null,
    };
}
