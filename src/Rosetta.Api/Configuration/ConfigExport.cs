using System.Text;
using System.Text.Json.Nodes;
using Rosetta.Store.Secrets;

namespace Rosetta.Api.Configuration;

/// <summary>All that is configured as one file: in order of names, so that equal installations give equal files, with a reference in place of each secret.</summary>
static class ConfigExport
{
    const string Head =
        """
        # Rosetta: sources, destinations, presets and pipelines. `rosetta diff -f FILE` compares it with an installation, `rosetta apply -f FILE` makes it so.
        # Secrets are references, which those commands resolve where they run (env:NAME, file:/path). One that is not set there keeps the secret that is stored.

        """;

    public static string Write(InstallationConfig config)
    {
        var references = new SecretReferences();
        var root = new JsonObject { ["version"] = 1 };
        var sources = List(root, "sources");
        foreach (var source in config.Sources.Values)
        {
            var form = ConfigForms.Of(source);
            if (source.Password.IsSet) form["pg_password"] = references.Placeholder("SOURCE", source.Name, "password");
            sources.Add(form);
        }

        var destinations = List(root, "destinations");
        foreach (var destination in config.Destinations.Values)
        {
            var form = ConfigForms.Of(destination);
            foreach (var field in SecretPlaces.DestinationFields.Order(StringComparer.Ordinal).Where(f => destination.Config.Text(f) is not null))
                form["config"]![field] = references.Placeholder("DESTINATION", destination.Name, field);
            destinations.Add(form);
        }

        var presets = List(root, "presets");
        foreach (var preset in config.Presets.Values) presets.Add(ConfigForms.Of(preset));
        var pipelines = List(root, "pipelines");
        foreach (var pipeline in config.Pipelines.Values)
        {
            var form = ConfigForms.Of(pipeline.Name, pipeline.Source.Name, pipeline.Status);
            var attached = List(form, "destinations");
            foreach (var d in pipeline.Destinations.OrderBy(d => d.Destination.Name, StringComparer.Ordinal))
                attached.Add(ConfigForms.Of(d.Destination.Name, d.Snapshot, d.TableSyncs));
            pipelines.Add(form);
        }

        var text = new StringBuilder(Head);
        YamlText.Write(text, root);
        return text.ToString();
    }

    static JsonArray List(JsonObject parent, string name)
    {
        var list = new JsonArray();
        parent[name] = list;
        return list;
    }
}
