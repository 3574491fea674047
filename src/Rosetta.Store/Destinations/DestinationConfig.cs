using System.Text.Json.Nodes;
using Rosetta.Store.Secrets;

namespace Rosetta.Store.Destinations;

/// <summary>A destination's settings with secrets in the clear; <see cref="ToString"/> hides them all.</summary>
public sealed class DestinationConfig(JsonObject fields)
{
    /// <summary>The fields; do not change them.</summary>
    public JsonObject Fields { get; } = fields;

    public string? Text(string field) => Fields[field] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    public int? Number(string field) => Fields[field] is JsonValue value && value.TryGetValue<int>(out var number) ? number : null;

    /// <summary>A copy that may be shown: without the fields of <see cref="SecretPlaces.DestinationFields"/>.</summary>
    public JsonObject WithoutSecrets()
    {
        var copy = (JsonObject)Fields.DeepClone();
        foreach (var field in SecretPlaces.DestinationFields) copy.Remove(field);
        return copy;
    }

    public override string ToString() => WithoutSecrets().ToJsonString();
}

/// <summary>The settings of a PostgreSQL destination.</summary>
/// <param name="Schema">Null: every table goes to the schema it has at the source.</param>
public sealed record PostgresDestinationConfig(
    string Host, int Port, string Database, string User, Secret Password, string? Schema, string SslMode)
{
    /// <exception cref="FormatException">A field is missing; only a row written by hand can be so.</exception>
    public static PostgresDestinationConfig From(DestinationDefinition destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        var config = destination.Config;
        string Required(string field) => config.Text(field)
            ?? throw new FormatException($"Destination '{destination.Name}' has no config field '{field}'. Set it with PUT /destinations/{destination.Id}.");
        return new PostgresDestinationConfig(
            Required("host"), config.Number("port") ?? 5432, Required("database"), Required("user"), new Secret(config.Text("password")),
            config.Text("schema"), config.Text("ssl_mode") ?? "prefer");
    }
}
