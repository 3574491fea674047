using System.Text.Json.Nodes;
using Rosetta.Api.Bodies;

namespace Rosetta.Api.Configuration;

/// <summary>
/// Secrets by reference: <c>env:NAME</c> and <c>file:/path</c>. Whoever sends the file resolves them and sends the values along; a node never reads
/// its own environment or files for a request, or whoever may call the API could have them.
/// </summary>
sealed class SecretReferences
{
    readonly HashSet<string> _given = new(StringComparer.Ordinal);

    /// <summary><c>env:ROSETTA_SOURCE_SHOP_PASSWORD</c>; another one for a name that differs only in signs.</summary>
    public string Placeholder(string kind, string name, string field)
    {
        var plain = new string([.. $"ROSETTA_{kind}_{name}_{field}".ToUpperInvariant().Select(c => c is (>= 'A' and <= 'Z') or (>= '0' and <= '9') ? c : '_')]);
        for (var number = 1; ; number++)
        {
            var candidate = number == 1 ? plain : $"{plain}_{number}";
            if (_given.Add(candidate)) return $"env:{candidate}";
        }
    }

    public static bool IsReference(string value) => value.StartsWith("env:", StringComparison.Ordinal) || value.StartsWith("file:", StringComparison.Ordinal);

    /// <summary>Puts the value in place of a reference; one that nobody resolved is taken out when there is a stored secret to keep, else it is an error.</summary>
    public static void Resolve(
        JsonObject holder, string field, string path, bool isStored, IReadOnlyDictionary<string, string> secrets, FieldErrors errors)
    {
        if (holder[field] is not JsonValue value || !value.TryGetValue<string>(out var text) || !IsReference(text)) return;
        if (secrets.TryGetValue(text, out var secret)) holder[field] = secret;
        else if (isStored) holder.Remove(field);
        else
        {
            errors.Add(
                $"{path}.{field}",
                $"'{text}' was not resolved, and no secret is stored to keep: 'rosetta apply' resolves it where it runs, a call of the API sends its value in 'secrets'");
        }
    }
}
