using System.Text.Json;

namespace Rosetta.Core.Backfills;

/// <summary>Reads a filter as the API and <c>queue_backfill_data</c> hold it: a string, or an object of column, operator and value.</summary>
public static class FilterJson
{
    const string Fields = "column, operator and value";

    /// <exception cref="BackfillFilterException">It is neither.</exception>
    public static BackfillFilter Read(JsonElement filter)
    {
        try
        {
            var read = filter.ValueKind switch
            {
                JsonValueKind.String => FilterText.Read(filter.GetString()!),
                JsonValueKind.Object => ReadObject(filter),
                _ => throw new BackfillFilterException($"must be a string or an object of {Fields}"),
            };
            return read.Values.Append(read.Column).Any(t => t.Contains('\0', StringComparison.Ordinal))
                ? throw new BackfillFilterException("contains a character that cannot be stored (U+0000)")
                : read;
        }
        catch (InvalidOperationException)
        {
            throw new BackfillFilterException("contains half of a surrogate pair, which is no text");
        }
    }

    static BackfillFilter ReadObject(JsonElement filter)
    {
        if (filter.EnumerateObject().FirstOrDefault(p => p.Name is not ("column" or "operator" or "value")) is { Value.ValueKind: not JsonValueKind.Undefined } unknown)
            throw new BackfillFilterException($"has the field '{unknown.Name}', which is not known here; known fields: {Fields}");
        if (!filter.TryGetProperty("column", out var column) || column.ValueKind != JsonValueKind.String || column.GetString()!.Length == 0)
            throw new BackfillFilterException("needs the name of a column in 'column'");
        if (!filter.TryGetProperty("operator", out var spelled) || spelled.ValueKind != JsonValueKind.String
            || BackfillFilter.OperatorOf(spelled.GetString()!) is not { } @operator)
            throw new BackfillFilterException($"needs an operator: {string.Join(", ", BackfillFilter.Operators)}");
        filter.TryGetProperty("value", out var value);
        return new BackfillFilter(column.GetString()!, false, @operator, Values(@operator, value));
    }

    static IReadOnlyList<string> Values(string @operator, JsonElement value)
    {
        switch (@operator)
        {
            case "IS NULL" or "IS NOT NULL":
                return value.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null ? [] : throw new BackfillFilterException($"{@operator} takes no value");
            case "IN" or "NOT IN" or "BETWEEN":
                var isPair = @operator == "BETWEEN";
                if (value.ValueKind != JsonValueKind.Array || (isPair ? value.GetArrayLength() != 2 : value.GetArrayLength() is 0 or > BackfillFilter.MostValues))
                    throw new BackfillFilterException($"{@operator} takes a list of {(isPair ? "2 values" : $"1 to {BackfillFilter.MostValues} values")}");
                return [.. value.EnumerateArray().Select(v => Scalar(@operator, v))];
            default:
                return [Scalar(@operator, value)];
        }
    }

    static string Scalar(string @operator, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Number => value.GetRawText(),
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        _ => throw new BackfillFilterException($"{@operator} takes a text, a number, true or false; rows without a value are found by IS NULL"),
    };
}
