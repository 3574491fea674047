using System.Text.Json;
using System.Text.Json.Serialization;

namespace Rosetta.Store.Configuration;

/// <summary>What the triggers of the config database announce. <see cref="Unknown"/> stands for "look at everything".</summary>
/// <param name="Table">Name of the changed table, null for <see cref="Unknown"/>.</param>
/// <param name="Id">The row's id where the table has one.</param>
/// <param name="PipelineId">The pipeline it belongs to, where it is known from the row.</param>
public sealed record ConfigChange(
    [property: JsonPropertyName("table")] string? Table,
    [property: JsonPropertyName("op")] string? Operation,
    [property: JsonPropertyName("id")] long? Id,
    [property: JsonPropertyName("pipeline_id")] long? PipelineId)
{
    /// <summary>After a (re)connect, or for a payload that is not ours: announcements may have been missed.</summary>
    public static readonly ConfigChange Unknown = new(null, null, null, null);

    internal static ConfigChange Parse(string payload)
    {
        try
        {
            return JsonSerializer.Deserialize<ConfigChange>(payload) ?? Unknown;
        }
        catch (JsonException)
        {
            // Anyone may NOTIFY on the channel; a wake-up is all we take from it.
            return Unknown;
        }
    }
}
