using System.CommandLine;
using Rosetta.Cli.Invocations;
using Rosetta.Cli.Views;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;
using Spectre.Console;

namespace Rosetta.Cli.Commands;

/// <summary><c>rosetta pipelines</c>.</summary>
static class PipelineCommands
{
    const string Collection = "pipelines";

    static readonly Argument<string> PipelineArgument = new("pipeline") { Description = "Id or name" };
    static readonly Argument<string> DestinationArgument = new("destination") { Description = "Id or name" };

    public static Command Create() => Verb.Group(
        Collection, "From one source to many destinations",
        Verb.Create("list", "All pipelines", async i => i.Show<Page<Pipeline>>(await i.GetAsync("pipelines?limit=1000"), List)),
        Verb.Create(
            "show", "One pipeline with its destinations and tables",
            async i => i.Show<Pipeline>(await i.GetAsync(await PathAsync(i)), p => PipelineView.Render(p)), PipelineArgument),
        CreateVerb(),
        AttachVerb(),
        Verb.Create("detach", "Takes a destination out; what it has received stays there", DetachAsync, PipelineArgument, DestinationArgument),
        Verb.Create("start", "Starts it", i => AskAsync(i, "start", "started"), PipelineArgument),
        Verb.Create("pause", "Pauses it; the source keeps its WAL until it goes on", i => AskAsync(i, "pause", "paused"), PipelineArgument),
        Verb.Create("refresh", "Reads the source's catalog again: new tables join", i => AskAsync(i, "refresh", "refreshed"), PipelineArgument),
        ResyncCommand.Create(),
        DeleteVerb(),
        Verb.Create("watch", "Shows it as it changes, until Ctrl-C", WatchCommand.RunAsync, PipelineArgument));

    internal static Task<long> PipelineIdAsync(Invocation i) => i.IdAsync(Collection, PipelineArgument);

    static async Task<string> PathAsync(Invocation i, string rest = "") => $"pipelines/{await PipelineIdAsync(i)}{rest}";

    static async Task AskAsync(Invocation i, string verb, string done)
    {
        var answer = await i.PostAsync(await PathAsync(i, $"/{verb}"));
        var pipeline = answer.As<Pipeline>();
        i.Done(answer, $"{pipeline.Name} {done}; state {pipeline.Runtime.State}");
    }

    static Command CreateVerb()
    {
        var name = new Option<string>("--name") { Description = "Unique name", Required = true };
        var source = new Option<string>("--source") { Description = "Id or name of its source", Required = true };
        var destinations = new Option<string[]>("--destination") { Description = "Id or name of a destination to attach; may be repeated" };
        return Verb.Create(
            "create", "A new pipeline, paused",
            async i =>
            {
                // Every name is looked up before anything is made.
                var sourceId = await i.IdAsync("sources", i.Value(source)!);
                var ids = new List<long>();
                foreach (var destination in i.Value(destinations) ?? [])
                    ids.Add(await i.IdAsync("destinations", destination));
                var answer = await i.PostAsync(Collection, new NewPipeline(i.Value(name)!, sourceId));
                var made = answer.As<Pipeline>();
                foreach (var id in ids)
                    await i.PostAsync($"pipelines/{made.Id}/destinations", new AttachDestination(id));
                i.Done(
                    ids.Count == 0 ? answer : await i.GetAsync($"pipelines/{made.Id}"),
                    $"pipeline {made.Id} created: {made.Name}; 'rosetta pipelines start {made.Name}' starts it");
            },
            name, source, destinations);
    }

    static Command AttachVerb()
    {
        var snapshot = new Option<string?>("--snapshot") { Description = "initial: copy what is there, then follow (default); none: changes from now on" };
        snapshot.AcceptOnlyFromAmong("initial", "none");
        var tables = new Option<string[]>("--table", "-t") { Description = "schema.table or schema.*; may be repeated (default: every user table)" };
        var preset = new Option<string?>("--preset") { Description = "Id or name of a preset whose tables it gets" };
        return Verb.Create(
            "attach", "Adds a destination, also while the pipeline runs",
            async i =>
            {
                var destination = await i.IdAsync("destinations", DestinationArgument);
                var chosen = i.Value(tables) ?? [];
                if (chosen.Length > 0 && i.Value(preset) is not null) throw new RefusedException("Name the tables (--table) or a preset (--preset), not both");
                var body = new AttachDestination(
                    destination, i.Value(snapshot), chosen.Length == 0 ? null : [.. chosen.Select(t => new TableSync(t))],
                    i.Value(preset) is { } name ? await i.IdAsync("presets", name) : null);
                i.Done(await i.PostAsync(await PathAsync(i, "/destinations"), body), $"{i.Value(DestinationArgument)} attached to {i.Value(PipelineArgument)}");
            },
            PipelineArgument, DestinationArgument, snapshot, tables, preset);
    }

    static async Task DetachAsync(Invocation i)
    {
        var path = await PathAsync(i, $"/destinations/{await i.IdAsync("destinations", DestinationArgument)}");
        i.Confirm($"Take {i.Value(DestinationArgument)} out of {i.Value(PipelineArgument)}? Its position is forgotten.");
        i.Done(await i.DeleteAsync(path), $"{i.Value(DestinationArgument)} taken out of {i.Value(PipelineArgument)}");
    }

    static Command DeleteVerb()
    {
        var force = new Option<bool>("--force") { Description = "Also when the source is away; its slot then stays there and must be dropped by hand" };
        return Verb.Create(
            "delete", "Deletes a paused pipeline and drops its slot",
            async i =>
            {
                var path = await PathAsync(i, i.Value(force) ? "?force=true" : "");
                i.Confirm($"Delete pipeline {i.Value(PipelineArgument)}?");
                i.Done(await i.DeleteAsync(path), $"pipeline {i.Value(PipelineArgument)} deleted");
            },
            PipelineArgument, force);
    }

    static Table List(Page<Pipeline> pipelines)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumns("id", "name", "source", "asked for", "state", "node", "destinations");
        foreach (var p in pipelines.Items)
        {
            table.AddRow(
                $"{p.Id}", Markup.Escape(p.Name), $"{p.SourceId}", p.Status, States.Mark(p.Runtime.State), Markup.Escape(p.Runtime.Node ?? ""),
                string.Join(", ", p.Destinations.Select(d => $"{Markup.Escape(d.Name)} {States.Mark(d.HealthStatus)}")));
        }
        return table;
    }
}
