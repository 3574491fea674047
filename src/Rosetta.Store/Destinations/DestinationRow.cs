using System.Text.Json.Nodes;
using Rosetta.Core.Pipelines;
using Rosetta.Store.Secrets;

namespace Rosetta.Store.Destinations;

/// <summary>A row of <c>destinations</c> as it is stored.</summary>
sealed record DestinationRow
{
    public const string Columns = "id, name, type, config::text AS config, created_at, updated_at";

    public long Id { get; init; }

    public string Name { get; init; } = "";

    public string Type { get; init; } = "";

    public string Config { get; init; } = "{}";

    public DateTime CreatedAt { get; init; }

    public DateTime UpdatedAt { get; init; }

    public DestinationDefinition Open(SecretProtector secrets) => new(
        Id, Name, Type == "SNOWFLAKE" ? DestinationType.Snowflake : DestinationType.Postgres,
        new DestinationConfig(SecretPlaces.MapSecrets((JsonObject)JsonNode.Parse(Config)!, secrets.Unprotect)), CreatedAt, UpdatedAt);
}
