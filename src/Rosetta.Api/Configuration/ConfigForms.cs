using System.Text.Json;
using System.Text.Json.Nodes;
using Rosetta.Api.Bodies;
using Rosetta.Api.Destinations;
using Rosetta.Api.Pipelines;
using Rosetta.Core.Pipelines;
using Rosetta.Store.Destinations;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Presets;
using Rosetta.Store.Sources;

namespace Rosetta.Api.Configuration;

/// <summary>Objects as the file has them, without their secrets: what is exported, and what is compared.</summary>
static class ConfigForms
{
    static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>Fields of a body that are the same as here are left out of the file.</summary>
    static readonly JsonObject Defaults = ToJson(new TableSyncBody(""));

    public static JsonObject Of(SourceDefinition source) => new()
    {
        ["name"] = source.Name, ["pg_host"] = source.Host, ["pg_port"] = source.Port, ["pg_database"] = source.Database, ["pg_username"] = source.Username,
        ["pg_ssl_mode"] = source.SslMode, ["publication_name"] = source.PublicationName, ["replication_name"] = source.ReplicationName,
    };

    public static JsonObject Of(DestinationDefinition destination) => new()
    {
        ["name"] = destination.Name, ["type"] = destination.Type.ToName(), ["config"] = InOrder(destination.Config.WithoutSecrets()),
    };

    public static JsonObject Of(Preset preset) => new() { ["name"] = preset.Name, ["table_syncs"] = Of(preset.TableSyncs) };

    public static JsonObject Of(string name, string source, PipelineStatus status) => new() { ["name"] = name, ["source"] = source, ["status"] = status.ToName() };

    public static JsonObject Of(string destination, SnapshotChoice snapshot, IReadOnlyList<TableSync> tableSyncs) => new()
    {
        ["destination"] = destination, ["snapshot"] = Of(snapshot), ["table_syncs"] = Of(tableSyncs),
    };

    public static string Of(SnapshotChoice snapshot) => snapshot == SnapshotChoice.None ? "none" : "initial";

    public static JsonArray Of(IReadOnlyList<TableSync> tableSyncs)
    {
        var list = new JsonArray();
        foreach (var sync in tableSyncs)
        {
            var form = ToJson(TableSyncChecks.ToBody(sync));
            foreach (var field in Defaults.Where(d => JsonNode.DeepEquals(d.Value, form[d.Key])).Select(d => d.Key)) form.Remove(field);
            list.Add(form);
        }

        return list;
    }

    /// <summary>The config database has no order of fields that people would understand.</summary>
    static JsonObject InOrder(JsonObject config)
    {
        var known = BodyShape.Of(typeof(PostgresConfig)).Fields.Select(f => f.Name).ToList();
        return new(config.OrderBy(f => known.IndexOf(f.Key) is >= 0 and var index ? index : known.Count).ThenBy(f => f.Key, StringComparer.Ordinal)
            .Select(f => KeyValuePair.Create(f.Key, f.Value?.DeepClone())));
    }

    static JsonObject ToJson(TableSyncBody body) => JsonSerializer.SerializeToNode(body, Json)!.AsObject();
}
