using System.Collections.Frozen;
using System.Text.Json.Nodes;

namespace Rosetta.Store.Secrets;

/// <summary>Where secrets lie in the config database.</summary>
public static class SecretPlaces
{
    public const string SourcePassword = "sources.pg_password";

    /// <summary>The fields of a destination's config that are secret, whatever its type.</summary>
    public static readonly FrozenSet<string> DestinationFields =
        FrozenSet.ToFrozenSet(["password", "private_key", "private_key_passphrase"], StringComparer.Ordinal);

    public static string Destination(string field) => $"destinations.config.{field}";

    /// <summary>A copy of <paramref name="config"/> with every secret replaced by <paramref name="map"/> of (value, place).</summary>
    internal static JsonObject MapSecrets(JsonObject config, Func<string, string, string> map)
    {
        var copy = (JsonObject)config.DeepClone();
        foreach (var field in DestinationFields)
        {
            if (copy[field] is JsonValue value && value.TryGetValue<string>(out var secret)) copy[field] = map(secret, Destination(field));
        }

        return copy;
    }
}
