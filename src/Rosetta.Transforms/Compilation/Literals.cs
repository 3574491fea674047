using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace Rosetta.Transforms.Compilation;

/// <summary>Constants of the parser's tree.</summary>
static class Literals
{
    /// <summary>As SQL that means the same value of the same type.</summary>
    public static string Sql(JsonElement node)
    {
        var value = node.GetProperty("value");
        var id = value.GetProperty("type").GetProperty("id").GetString()!;
        if (value.GetProperty("is_null").GetBoolean())
            return "NULL";
        var content = value.GetProperty("value");
        return id switch
        {
            "INTEGER" or "BIGINT" => $"({content.GetInt64().ToString(CultureInfo.InvariantCulture)})",
            "HUGEINT" or "UHUGEINT" => $"({Huge(content)})",
            "DECIMAL" => Decimal(content, value.GetProperty("type").GetProperty("type_info")),
            "DOUBLE" => $"CAST({Quote(content.GetDouble().ToString("R", CultureInfo.InvariantCulture))} AS DOUBLE)",
            "BOOLEAN" => content.GetBoolean() ? "true" : "false",
            "VARCHAR" => Quote(content.GetString()!),
            _ => throw new RefusedException($"a literal of type {id} is not supported; write it as text and cast it"),
        };
    }

    /// <summary>The text of a text literal; null for anything else.</summary>
    public static string? Text(JsonElement node) =>
        IsLiteral(node) && node.GetProperty("value") is var value && !value.GetProperty("is_null").GetBoolean()
        && value.GetProperty("type").GetProperty("id").GetString() == "VARCHAR"
            ? value.GetProperty("value").GetString()
            : null;

    /// <summary>The number of an integer literal; null for anything else.</summary>
    public static long? Number(JsonElement node) =>
        IsLiteral(node) && node.GetProperty("value") is var value && !value.GetProperty("is_null").GetBoolean()
        && value.GetProperty("type").GetProperty("id").GetString() is "INTEGER" or "BIGINT"
            ? node.GetProperty("value").GetProperty("value").GetInt64()
            : null;

    public static bool IsLiteral(JsonElement node) => node.GetProperty("class").GetString() == "CONSTANT";

    public static string Quote(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";

    static string Huge(JsonElement content)
    {
        var upper = content.GetProperty("upper");
        var high = upper.TryGetInt64(out var signed) ? new BigInteger(signed) : new BigInteger(upper.GetUInt64());
        return ((high << 64) + content.GetProperty("lower").GetUInt64()).ToString(CultureInfo.InvariantCulture);
    }

    static string Decimal(JsonElement content, JsonElement info)
    {
        var unscaled = content.ValueKind == JsonValueKind.Object ? Huge(content) : content.GetInt64().ToString(CultureInfo.InvariantCulture);
        var scale = info.GetProperty("scale").GetInt32();
        var digits = unscaled.TrimStart('-').PadLeft(scale + 1, '0');
        var text = $"{(unscaled.StartsWith('-') ? "-" : "")}{digits[..^scale]}{(scale > 0 ? "." : "")}{digits[^scale..]}";
        return FormattableString.Invariant($"CAST('{text}' AS DECIMAL({info.GetProperty("width").GetInt32()},{scale}))");
    }
}
