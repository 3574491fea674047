using System.CommandLine;
using System.Text.Json;
using Rosetta.Cli.Invocations;
using Rosetta.Client;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;
using Spectre.Console;

namespace Rosetta.Cli.Commands;

/// <summary><c>rosetta presets</c>.</summary>
static class PresetCommands
{
    const string Collection = "presets";

    static readonly Argument<string> PresetArgument = new("preset") { Description = "Id or name" };

    public static Command Create() => Verb.Group(
        Collection, "Saved choices of tables",
        Verb.Create("list", "All presets", async i => i.Show<Page<Preset>>(await i.GetAsync("presets?limit=1000"), List)),
        Verb.Create("show", "One preset", async i => i.Line(Wire.Indent((await i.GetAsync(await PathAsync(i))).Text)), PresetArgument),
        CreateVerb(),
        UseVerb(),
        Verb.Create("delete", "Deletes it; pipelines it was used for stay as they are", DeleteAsync, PresetArgument));

    static async Task<string> PathAsync(Invocation i) => $"presets/{await i.IdAsync(Collection, PresetArgument)}";

    static Command CreateVerb()
    {
        var name = new Option<string>("--name") { Description = "Unique name", Required = true };
        var tables = new Option<string[]>("--table", "-t") { Description = "schema.table or schema.*; may be repeated" };
        var pipeline = new Option<string?>("--from-pipeline") { Description = "Copies what this pipeline chooses for --from-destination" };
        var destination = new Option<string?>("--from-destination") { Description = "Id or name" };
        return Verb.Create(
            "create", "Saves a choice of tables, or the one of a pipeline's destination",
            async i =>
            {
                var (chosen, from, of) = (i.Value(tables) ?? [], i.Value(pipeline), i.Value(destination));
                if (from is null != of is null) throw new RefusedException("--from-pipeline and --from-destination belong together");
                if (chosen.Length > 0 == from is not null)
                    throw new RefusedException("Name the tables (--table), or where to copy them from (--from-pipeline and --from-destination)");
                var body = from is null
                    ? new NewPreset(i.Value(name)!, [.. chosen.Select(t => new TableSync(t))])
                    : new NewPreset(i.Value(name)!, From: new PresetOrigin(await i.IdAsync("pipelines", from), await i.IdAsync("destinations", of!)));
                var answer = await i.PostAsync(Collection, body);
                i.Done(answer, $"preset {answer.As<Preset>().Id} created: {body.Name}");
            },
            name, tables, pipeline, destination);
    }

    static Command UseVerb()
    {
        var pipeline = new Argument<string>("pipeline") { Description = "Id or name" };
        var destination = new Argument<string>("destination") { Description = "Id or name" };
        return Verb.Create(
            "use", "Gives its tables to a destination of a pipeline, in place of those it has; 'pipelines attach --preset' to a new one",
            async i =>
            {
                var preset = await i.IdAsync(Collection, PresetArgument);
                var path = $"pipelines/{await i.IdAsync("pipelines", pipeline)}/destinations/{await i.IdAsync("destinations", destination)}/tables";
                var answer = await i.PutAsync(path, new ReplaceTables(PresetId: preset));
                i.Done(answer, $"{i.Value(destination)} of {i.Value(pipeline)} has the tables of {i.Value(PresetArgument)}");
            },
            PresetArgument, pipeline, destination);
    }

    static async Task DeleteAsync(Invocation i)
    {
        var path = await PathAsync(i);
        i.Confirm($"Delete preset {i.Value(PresetArgument)}?");
        i.Done(await i.DeleteAsync(path), $"preset {i.Value(PresetArgument)} deleted");
    }

    static Table List(Page<Preset> presets)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumns("id", "name", "tables");
        foreach (var p in presets.Items)
            table.AddRow($"{p.Id}", Markup.Escape(p.Name), Markup.Escape(p.TableSyncs.Count == 0 ? "every user table" : string.Join(", ", p.TableSyncs.Select(Name))));
        return table;
    }

    static string Name(JsonElement sync) => sync.GetProperty("table_name").GetString()!;
}
