using System.CommandLine;
using Rosetta.Cli.Invocations;
using Rosetta.Cli.Views;
using Rosetta.Client;
using Rosetta.Client.Answers;
using Spectre.Console;

namespace Rosetta.Cli.Commands;

/// <summary><c>rosetta tables</c>: the tables of a pipeline at its destinations.</summary>
static class TableCommands
{
    public static Command Create()
    {
        var pipeline = new Argument<string>("pipeline") { Description = "Id or name" };
        var destination = new Argument<string>("destination") { Description = "Id or name" };
        var table = new Argument<string>("table") { Description = "schema.table as in the catalog" };
        return Verb.Group(
            "tables", "Tables of a pipeline",
            Verb.Create(
                "list", "State, target and counters of every table",
                async i => i.Show<Pipeline>(await i.GetAsync($"pipelines/{await i.IdAsync("pipelines", pipeline)}"), Render),
                pipeline),
            Verb.Create("resync", "Empties the table at the destination and copies it again", i => ResyncAsync(i, pipeline, destination, table),
                pipeline, destination, table));
    }

    static Table Render(Pipeline pipeline)
    {
        var list = new Table().Border(TableBorder.Simple)
            .AddColumns("destination", "table", "target", "state")
            .AddColumn("copied", c => c.RightAligned())
            .AddColumn("inserted", c => c.RightAligned())
            .AddColumn("updated", c => c.RightAligned())
            .AddColumn("deleted", c => c.RightAligned())
            .AddColumns("error", "remedy");
        foreach (var destination in pipeline.Destinations)
        {
            foreach (var t in destination.Tables ?? [])
            {
                list.AddRow(
                    Markup.Escape(destination.Name), Markup.Escape(t.Table), Markup.Escape(t.Target ?? ""), States.Mark(t.State),
                    Quantities.Count(t.SnapshotRows), Quantities.Count(t.RowsInserted), Quantities.Count(t.RowsUpdated),
                    Quantities.Count(t.RowsDeleted), Markup.Escape(t.Error ?? ""), Markup.Escape(t.Remedy ?? ""));
            }
        }
        return list;
    }

    static async Task ResyncAsync(Invocation i, Argument<string> pipeline, Argument<string> destination, Argument<string> table)
    {
        var (p, d, name) = (await i.IdAsync("pipelines", pipeline), await i.IdAsync("destinations", destination), i.Value(table));
        i.Confirm($"Empty {name} at {i.Value(destination)} and copy it again?");
        var answer = await i.PostAsync($"pipelines/{p}/destinations/{d}/tables/{Lookups.Escape(name)}/resync");
        i.Done(answer, $"{name} at {i.Value(destination)}: resync asked for");
    }
}
