using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Rosetta.Core.Options;

/// <summary>Options as the config database has them (<c>table_syncs.options</c>): the fields of the API, those that say nothing left out. Words that nobody knows say nothing.</summary>
public sealed class TableOptionsJson : JsonConverter<TableOptions>
{
    public static TableOptions Parse(string json) => JsonNode.Parse(json) is JsonObject form ? Of(form) : TableOptions.None;

    public static string ToJson(TableOptions options) => ToForm(options).ToJsonString();

    public override TableOptions Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        JsonNode.Parse(ref reader) is JsonObject form ? Of(form) : TableOptions.None;

    public override void Write(Utf8JsonWriter writer, TableOptions value, JsonSerializerOptions options) => ToForm(value).WriteTo(writer);

    static TableOptions Of(JsonObject form)
    {
        var names = form["metadata_names"] as JsonObject;
        var isSoft = Text(form["delete_mode"]) == "soft";
        var byFlag = isSoft && Text(form["deleted_type"]) == "boolean";
        return new TableOptions
        {
            DeletedColumn = isSoft ? Text(form["deleted_column"]) ?? TableOptions.DefaultDeletedName(byFlag) : null,
            MarksByFlag = byFlag,
            Ignore = Words(form["ignore"]).Aggregate(IgnoredChanges.None, (all, word) => all | word switch
            {
                "update" => IgnoredChanges.Update,
                "delete" => IgnoredChanges.Delete,
                "truncate" => IgnoredChanges.Truncate,
                _ => IgnoredChanges.None,
            }),
            CommitTimeColumn = Name("commit_time", TableOptions.DefaultCommitTimeColumn),
            LsnColumn = Name("lsn", TableOptions.DefaultLsnColumn),
            OperationColumn = Name("operation", TableOptions.DefaultOperationColumn),
            WithIndexes = form["with_indexes"] is JsonValue flag && flag.TryGetValue<bool>(out var wanted) ? wanted : null,
        };

        string? Name(string word, string otherwise) => Words(form["metadata"]).Contains(word) ? Text(names?[word]) ?? otherwise : null;
    }

    static JsonObject ToForm(TableOptions options)
    {
        var form = new JsonObject();
        if (options.DeletedColumn is { } deleted)
            (form["delete_mode"], form["deleted_column"]) = ("soft", deleted);
        if (options is { SoftDeletes: true, MarksByFlag: true })
            form["deleted_type"] = "boolean";
        if (options.WithIndexes is { } withIndexes)
            form["with_indexes"] = withIndexes;
        if (options.IgnoredWords is { Count: > 0 } ignored)
            form["ignore"] = new JsonArray([.. ignored.Select(w => (JsonNode)w)]);
        var metadata = options.MetadataNames;
        if (metadata.Count == 0)
            return form;
        form["metadata"] = new JsonArray([.. metadata.Select(m => (JsonNode)m.Word)]);
        form["metadata_names"] = new JsonObject(metadata.Select(m => KeyValuePair.Create(m.Word, (JsonNode?)m.Column)));
        return form;
    }

    static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) && text.Length > 0 ? text : null;

    static IEnumerable<string> Words(JsonNode? node) => node is JsonArray list ? list.Select(Text).OfType<string>() : [];
}
