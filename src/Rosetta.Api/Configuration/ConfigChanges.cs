using System.Text.Json.Nodes;

namespace Rosetta.Api.Configuration;

/// <summary>Answer of <c>POST /config/diff</c> and <c>/config/apply</c>.</summary>
/// <param name="Applied">True: the changes have been made.</param>
public sealed record ConfigChangesAnswer(IReadOnlyList<ConfigChangeAnswer> Changes, bool Applied);

/// <summary>What becomes of one object.</summary>
/// <param name="Kind">create, update, delete or none.</param>
/// <param name="Object">source, destination, preset, pipeline or pipeline_destination.</param>
/// <param name="Name">Its name; of a pipeline_destination <c>pipeline/destination</c>.</param>
/// <param name="Refused">Why it cannot be done now; null when it can.</param>
/// <param name="Line">Where it is in the file; null for what is not.</param>
/// <param name="Warnings">What works, but not in every case, with the SQL that mends it.</param>
public sealed record ConfigChangeAnswer(
    string Kind, string Object, string Name, IReadOnlyList<ConfigFieldAnswer> Fields, string? Refused, long? Line, IReadOnlyList<string> Warnings);

/// <summary>A field that changes. Of a secret only whether there is one is shown: <c>***</c>.</summary>
public sealed record ConfigFieldAnswer(string Field, JsonNode? Old, JsonNode? New);

/// <summary>A change as it is being worked out.</summary>
/// <param name="Path">In the file; null for what the file does not have.</param>
sealed record PlannedChange(string Kind, string Object, string Name, string? Path)
{
    public List<ConfigFieldAnswer> Fields { get; } = [];

    public string? Refused { get; set; }

    public IReadOnlyList<string> Warnings { get; set; } = [];

    /// <summary>Fields of objects that exist make an update; without any it is none.</summary>
    public string ActualKind => Kind == "update" && Fields.Count == 0 && Refused is null ? "none" : Kind;

    /// <summary>What differs between two forms of an object; null: it is not there.</summary>
    public void Compare(JsonObject? old, JsonObject? next, string below = "")
    {
        foreach (var field in (old ?? []).Concat(next ?? []).Select(f => f.Key).Where(k => k != "name").Distinct())
        {
            var (before, after) = (old?[field], next?[field]);
            if (before is JsonObject || after is JsonObject) Compare(before as JsonObject, after as JsonObject, $"{below}{field}.");
            else if (!JsonNode.DeepEquals(before, after)) Fields.Add(new ConfigFieldAnswer(below + field, before?.DeepClone(), after?.DeepClone()));
        }
    }

    public void CompareSecret(string field, string? old, string? next)
    {
        if (old != next) Fields.Add(new ConfigFieldAnswer(field, Hidden(old), Hidden(next)));
    }

    static JsonValue? Hidden(string? secret) => secret is null ? null : JsonValue.Create("***");
}
