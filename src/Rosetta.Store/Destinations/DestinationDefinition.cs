using System.Text.Json.Nodes;
using Rosetta.Core.Pipelines;

namespace Rosetta.Store.Destinations;

/// <summary>A system that changes are applied to.</summary>
/// <param name="Config">
/// The fields of its type as API.md names them, secrets decrypted: never log or return it as it is (<see cref="DestinationConfig.WithoutSecrets"/>).
/// </param>
public sealed record DestinationDefinition(long Id, string Name, DestinationType Type, DestinationConfig Config, DateTime CreatedAt, DateTime UpdatedAt);

/// <summary>What is written for a new destination.</summary>
public sealed record NewDestination(string Name, DestinationType Type, JsonObject Config);

/// <summary>A change of a destination: null stays, and the fields of <paramref name="Config"/> replace those of the same name.</summary>
public sealed record DestinationChange(string? Name = null, JsonObject? Config = null)
{
    /// <summary>The fields as they are after the change.</summary>
    public JsonObject ApplyTo(JsonObject old)
    {
        ArgumentNullException.ThrowIfNull(old);
        var next = (JsonObject)old.DeepClone();
        foreach (var (field, value) in Config ?? []) next[field] = value?.DeepClone();
        return next;
    }
}
