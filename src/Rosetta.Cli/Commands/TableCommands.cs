using System.CommandLine;
using Rosetta.Cli.Invocations;
using Rosetta.Cli.Views;
using Rosetta.Client;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;
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
        var filter = new Option<string?>("--filter") { Description = "A condition, as filter_sql" };
        var sql = new Option<string?>("--sql") { Description = "A SELECT from the table, as custom_sql" };
        var columns = new Option<string[]>("--column") { Description = "A chosen column; may be repeated. All when left out" };
        var limit = new Option<int>("--limit") { Description = "Rows to show, 1 to 100", DefaultValueFactory = _ => 20 };
        return Verb.Group(
            "tables", "Tables of a pipeline",
            Verb.Create(
                "list", "State, target and counters of every table",
                async i => i.Show<Pipeline>(await i.GetAsync($"pipelines/{await i.IdAsync("pipelines", pipeline)}"), Render),
                pipeline),
            Verb.Create("resync", "Makes the table at the destination equal to its source again", i => ResyncAsync(i, pipeline, destination, table),
                pipeline, destination, table),
            Verb.Create(
                "pause", "Stops the table at the destination; the others go on", i => AskAsync(i, (pipeline, destination, table), "pause", "paused"),
                pipeline, destination, table),
            Verb.Create(
                "resume", "Lets a paused table, or one in ERROR, go on; it is copied again", i => AskAsync(i, (pipeline, destination, table), "resume", "resumed"),
                pipeline, destination, table),
            Verb.Create(
                "preview", "Shows what a filter and SQL make of the table's rows; nothing is saved", i => PreviewAsync(i, (pipeline, destination, table), (filter, sql, columns, limit)),
                pipeline, destination, table, filter, sql, columns, limit));
    }

    static async Task PreviewAsync(
        Invocation i, (Argument<string> Pipeline, Argument<string> Destination, Argument<string> Table) path,
        (Option<string?> Filter, Option<string?> Sql, Option<string[]> Columns, Option<int> Limit) asked)
    {
        var (p, d) = (await i.IdAsync("pipelines", path.Pipeline), await i.IdAsync("destinations", path.Destination));
        var columns = i.Value(asked.Columns);
        var body = new PreviewTransform(i.Value(asked.Filter), i.Value(asked.Sql), columns is { Length: > 0 } ? columns : null, i.Value(asked.Limit));
        i.Show<TransformPreview>(await i.PostAsync($"pipelines/{p}/destinations/{d}/tables/{Lookups.Escape(i.Value(path.Table))}/preview", body), RenderPreview);
    }

    static Rows RenderPreview(TransformPreview preview)
    {
        var list = new Table().Border(TableBorder.Simple);
        foreach (var column in preview.Columns)
            list.AddColumn($"{Markup.Escape(column.Name)}\n[grey]{Markup.Escape(column.Type)}[/]");
        foreach (var row in preview.Rows)
            list.AddRow([.. row.Select(v => v is null ? "[grey]NULL[/]" : Markup.Escape(v))]);
        return new Rows(
            [list, new Text($"{preview.Kept} of the {preview.Read} rows read are kept"), .. (preview.Warnings ?? []).Select(w => new Text($"Warning: {w}"))]);
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
                    Copied(t), Quantities.Count(t.RowsInserted), Quantities.Count(t.RowsUpdated),
                    Quantities.Count(t.RowsDeleted), Markup.Escape(t.Error ?? ""), Markup.Escape(t.Remedy ?? ""));
            }
        }
        return list;
    }

    /// <summary>Rows, and of a copy that is under way bytes, speed, what is left and what it waits for.</summary>
    static string Copied(DestinationTable table) =>
        table is { State: "SNAPSHOTTING" or "RESYNCING", SnapshotRowsPerSecond: { } speed }
            ? Markup.Escape(
                $"{Quantities.Count(table.SnapshotRows)} of about {Quantities.Count(table.SnapshotRowsEstimated)}, {Quantities.Bytes(table.SnapshotBytes)}, {Quantities.Count((long)speed)} rows/s"
                + (table.SnapshotWaitsFor is { } reason ? $"; waits: {reason}" : Views.PipelineView.Left(table.SnapshotSecondsLeft)))
            : Quantities.Count(table.SnapshotRows);

    static async Task AskAsync(
        Invocation i, (Argument<string> Pipeline, Argument<string> Destination, Argument<string> Table) path, string verb, string done)
    {
        var (p, d, name) = (await i.IdAsync("pipelines", path.Pipeline), await i.IdAsync("destinations", path.Destination), i.Value(path.Table));
        var answer = await i.PostAsync($"pipelines/{p}/destinations/{d}/tables/{Lookups.Escape(name)}/{verb}");
        i.Done(answer, $"{name} at {i.Value(path.Destination)} is {done}");
    }

    static async Task ResyncAsync(Invocation i, Argument<string> pipeline, Argument<string> destination, Argument<string> table)
    {
        var (p, d, name) = (await i.IdAsync("pipelines", pipeline), await i.IdAsync("destinations", destination), i.Value(table));
        i.Confirm($"Make {name} at {i.Value(destination)} equal to its source again? Rows that only the destination has are deleted.");
        var answer = await i.PostAsync($"pipelines/{p}/destinations/{d}/tables/{Lookups.Escape(name)}/resync");
        i.Done(answer, $"{name} at {i.Value(destination)}: resync asked for");
    }
}
