using System.CommandLine;
using Rosetta.Cli.Invocations;
using Rosetta.Cli.Views;
using Rosetta.Client.Answers;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Rosetta.Cli.Commands;

/// <summary><c>rosetta status</c>: everything at a glance.</summary>
static class StatusCommand
{
    public static Command Create() => Verb.Create(
        "status", "All pipelines and their destinations",
        async i => i.Show<Page<Pipeline>>(await i.GetAsync("pipelines?limit=1000"), Render));

    static IRenderable Render(Page<Pipeline> pipelines)
    {
        if (pipelines.Items.Count == 0)
            return new Text("No pipelines yet: 'rosetta pipelines create' makes one.\n");
        var table = new Table().Border(TableBorder.Simple)
            .AddColumns("pipeline", "state", "destination", "health", "lane", "applied LSN")
            .AddColumn("lag", c => c.RightAligned())
            .AddColumn("behind", c => c.RightAligned())
            .AddColumn("tables");
        foreach (var p in pipelines.Items)
        {
            var (name, state) = (Markup.Escape(p.Name), States.Mark(p.Runtime.State));
            if (p.Destinations.Count == 0)
                table.AddRow(name, state, "[grey]none[/]");
            foreach (var d in p.Destinations)
            {
                table.AddRow(
                    name, state, Markup.Escape(d.Name), States.Mark(d.HealthStatus), States.Mark(d.Lane), d.AppliedLsn ?? "-",
                    Quantities.Bytes(d.LagBytes), Quantities.Seconds(d.LagSeconds), TableStates(d));
                (name, state) = ("", "");
            }
        }
        return new Rows([table, .. pipelines.Items.Select(Error).OfType<IRenderable>()]);
    }

    static string TableStates(PipelineDestination destination) => string.Join(
        ", ", (destination.Tables ?? []).GroupBy(t => t.State).Select(g => $"{g.Count()} {States.Mark(g.Key)}"));

    static Markup? Error(Pipeline pipeline) => pipeline.Runtime.LastError is { } error
        ? new Markup($"[red]{Markup.Escape(pipeline.Name)}[/]: {Markup.Escape(error)}\n  {Markup.Escape(pipeline.Runtime.Remedy ?? "")}\n")
        : null;
}
