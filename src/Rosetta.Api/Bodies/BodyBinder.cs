using System.Collections;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Rosetta.Api.Bodies;

/// <summary>
/// Makes a body record from JSON, strictly: an unknown field, a missing one, a wrong type are errors of that field. Nothing is converted
/// (<c>"5432"</c> is no number). Types: string, int, long, double, bool, <see cref="JsonObject"/> (any object), <see cref="JsonElement"/> (anything), lists and records of these.
/// </summary>
static class BodyBinder
{
    /// <summary>Null when <paramref name="errors"/> has an error.</summary>
    public static T? Bind<T>(JsonElement json, FieldErrors errors)
        where T : class => (T?)Record(json, typeof(T), "", errors);

    static object? Record(JsonElement json, Type type, string path, FieldErrors errors)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            errors.Add(path.Length == 0 ? "body" : path, "must be a JSON object");
            return null;
        }

        var shape = BodyShape.Of(type);
        foreach (var property in json.EnumerateObject())
        {
            if (!shape.Fields.Any(f => f.Name == property.Name))
                errors.Add(Join(path, property.Name), $"is not known here; known fields: {string.Join(", ", shape.Fields.Select(f => f.Name))}");
        }

        var values = new object?[shape.Fields.Count];
        for (var i = 0; i < values.Length; i++)
        {
            var field = shape.Fields[i];
            var at = Join(path, field.Name);
            if (!json.TryGetProperty(field.Name, out var value))
            {
                values[i] = field.Default;
                if (!field.IsOptional) errors.Add(at, "is required");
            }
            else if (value.ValueKind == JsonValueKind.Null)
            {
                if (!field.IsNullable) errors.Add(at, "must not be null");
            }
            else
            {
                values[i] = Value(value, field.Type, at, errors);
            }
        }

        return errors.Any ? null : shape.Constructor.Invoke(values);
    }

    static object? Value(JsonElement json, Type type, string path, FieldErrors errors)
    {
        if (type == typeof(string)) return Text(json, path, errors);
        if (type == typeof(bool)) return json.ValueKind is JsonValueKind.True or JsonValueKind.False ? json.GetBoolean() : Wrong("true or false");
        if (type == typeof(int)) return json.ValueKind == JsonValueKind.Number && json.TryGetInt32(out var number) ? number : Wrong("a whole number");
        if (type == typeof(long)) return json.ValueKind == JsonValueKind.Number && json.TryGetInt64(out var number) ? number : Wrong("a whole number");
        if (type == typeof(double)) return json.ValueKind == JsonValueKind.Number && json.TryGetDouble(out var number) ? number : Wrong("a number");
        if (type == typeof(JsonObject)) return json.ValueKind == JsonValueKind.Object ? JsonObject.Create(json.Clone()) : Wrong("a JSON object");
        if (type == typeof(JsonElement)) return json.Clone();
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>)) return List(json, type.GetGenericArguments()[0], path, errors);
        return Record(json, type, path, errors);

        object? Wrong(string expected)
        {
            errors.Add(path, $"must be {expected}");
            return null;
        }
    }

    static string? Text(JsonElement json, string path, FieldErrors errors)
    {
        if (json.ValueKind != JsonValueKind.String)
        {
            errors.Add(path, "must be a string");
            return null;
        }

        try
        {
            var text = json.GetString()!;
            // PostgreSQL can store every character but this one.
            if (!text.Contains('\0', StringComparison.Ordinal)) return text;
        }
        catch (InvalidOperationException)
        {
            // Half of a surrogate pair, written as an escape: no text.
        }

        errors.Add(path, "contains a character that cannot be stored (U+0000, or half of a surrogate pair)");
        return null;
    }

    static IList? List(JsonElement json, Type item, string path, FieldErrors errors)
    {
        if (json.ValueKind != JsonValueKind.Array)
        {
            errors.Add(path, "must be a list");
            return null;
        }

        var list = (IList)Activator.CreateInstance(typeof(List<>).MakeGenericType(item))!;
        var index = 0;
        foreach (var element in json.EnumerateArray())
        {
            var at = $"{path}[{index++}]";
            if (element.ValueKind == JsonValueKind.Null) errors.Add(at, "must not be null");
            else if (Value(element, item, at, errors) is { } value) list.Add(value);
        }

        return list;
    }

    static string Join(string path, string field) => path.Length == 0 ? field : $"{path}.{field}";
}
