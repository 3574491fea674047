using System.CommandLine;
using Rosetta.Cli.Invocations;
using Rosetta.Cli.Views;
using Rosetta.Client;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Rosetta.Cli.Commands;

/// <summary><c>rosetta sources</c>.</summary>
static class SourceCommands
{
    const string Collection = "sources";

    static readonly Argument<string> SourceArgument = new("source") { Description = "Id or name" };

    public static Command Create() => Verb.Group(
        Collection, "Databases that changes come from",
        Verb.Create("list", "All sources", async i => i.Show<Page<Source>>(await i.GetAsync("sources?limit=1000"), List)),
        CreateVerb(),
        Verb.Create("show", "One source", async i => i.Line(Wire.Indent((await i.GetAsync(await PathAsync(i))).Text)), SourceArgument),
        Verb.Create("test", "Connects to it", async i => ConnectionReport.Show(i, await i.PostAsync(await PathAsync(i, "/test-connection"))), SourceArgument),
        Verb.Create("preflight", "What would stop a pipeline, with the SQL that mends it; exit code 1 when something would", PreflightAsync, SourceArgument),
        Verb.Create("tables", "The tables it has", async i => i.Show<Page<SourceTable>>(await i.GetAsync(await PathAsync(i, "/tables")), Tables), SourceArgument),
        PublicationVerb(),
        Verb.Create("delete", "Forgets the source; refused while a pipeline uses it", DeleteAsync, SourceArgument));

    static async Task<string> PathAsync(Invocation i, string rest = "") => $"sources/{await i.IdAsync(Collection, SourceArgument)}{rest}";

    static Command CreateVerb()
    {
        var server = new ServerOptions();
        var publication = new Option<string?>("--publication") { Description = "Publication to use or to name own ones after (default rosetta)" };
        var replication = new Option<string?>("--replication-name") { Description = "What slots are named after (default rosetta)" };
        return Verb.Create(
            "create", "A new source; nothing is connected yet",
            async i =>
            {
                var body = new NewSource(
                    i.Value(server.Name)!, i.Value(server.Host)!, i.Value(server.Port), i.Value(server.Database)!, i.Value(server.User)!,
                    await server.Password.ReadAsync(i), i.Value(server.SslMode), i.Value(publication), i.Value(replication));
                var answer = await i.PostAsync(Collection, body);
                i.Done(answer, $"source {answer.As<Source>().Id} created: {body.Name}");
            },
            [.. server.Symbols, publication, replication]);
    }

    static Command PublicationVerb()
    {
        var tables = new Option<string[]>("--table", "-t") { Description = "schema.table; may be repeated" };
        var all = new Option<bool>("--all-user-tables") { Description = "Every user table, listed one by one" };
        var drop = new Option<bool>("--drop") { Description = "Drop the publication" };
        return Verb.Create(
            "publication", "Makes the source's publication, or drops it",
            async i =>
            {
                var path = await PathAsync(i, "/publication");
                if (i.Value(drop))
                {
                    i.Confirm($"Drop the publication of {i.Value(SourceArgument)}?");
                    i.Done(await i.DeleteAsync(path), $"publication dropped");
                    return;
                }
                var chosen = i.Value(tables) ?? [];
                if (chosen.Length > 0 == i.Value(all))
                    throw new RefusedException("Say which tables: --table schema.table (once or more), or --all-user-tables");
                var answer = await i.PostAsync(path, i.Value(all) ? new NewPublication(AllUserTables: true) : new NewPublication(chosen));
                var made = answer.As<Publication>();
                i.Done(answer, $"publication {made.Name} made with {made.Tables.Count} tables; inserts only: {made.InsertOnly?.Count ?? 0}");
            },
            SourceArgument, tables, all, drop);
    }

    static async Task<int> PreflightAsync(Invocation i)
    {
        var answer = await i.GetAsync(await PathAsync(i, "/preflight"));
        i.Show<Preflight>(answer, Findings);
        return answer.As<Preflight>().Ok ? 0 : Verb.Failed;
    }

    static async Task DeleteAsync(Invocation i)
    {
        var path = await PathAsync(i);
        i.Confirm($"Delete source {i.Value(SourceArgument)}?");
        i.Done(await i.DeleteAsync(path), $"source {i.Value(SourceArgument)} deleted");
    }

    static Table List(Page<Source> sources)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumns("id", "name", "server", "database", "user", "TLS", "publication");
        foreach (var s in sources.Items)
        {
            table.AddRow(
                $"{s.Id}", Markup.Escape(s.Name), Markup.Escape($"{s.PgHost}:{s.PgPort}"), Markup.Escape(s.PgDatabase),
                Markup.Escape(s.PgUsername), s.PgSslMode ?? "", Markup.Escape(s.PublicationName ?? ""));
        }
        return table;
    }

    static Rows Findings(Preflight preflight)
    {
        var lines = new List<IRenderable>();
        foreach (var f in preflight.Findings)
        {
            var color = f.Severity switch { "error" => "red", "warning" => "yellow", _ => "grey" };
            lines.Add(new Markup($"[{color}]{Markup.Escape(f.Severity),-8}[/] {Markup.Escape(f.Check)}: {Markup.Escape(f.Detail)}"));
            if (f.FixSql is not null)
                lines.Add(new Markup($"         [aqua]{Markup.Escape(f.FixSql)}[/]"));
        }
        lines.Add(new Markup(preflight.Ok ? "[green]ready for a pipeline[/]" : "[red]not ready: mend the errors above[/]"));
        return new Rows(lines);
    }

    static Table Tables(Page<SourceTable> tables)
    {
        var list = new Table().Border(TableBorder.Simple)
            .AddColumns("table", "key", "replica identity")
            .AddColumn("columns", c => c.RightAligned())
            .AddColumn("rows", c => c.RightAligned())
            .AddColumn("size", c => c.RightAligned())
            .AddColumn("published");
        foreach (var t in tables.Items)
        {
            list.AddRow(
                Markup.Escape($"{t.Schema}.{t.Table}"), Markup.Escape(string.Join(", ", t.PrimaryKey ?? [])), Markup.Escape(t.ReplicaIdentity ?? ""),
                Quantities.Count(t.Columns?.Count), Quantities.Count(t.EstimatedRows), Quantities.Bytes(t.EstimatedBytes),
                t.Published is true ? "yes" : "no");
        }
        return list;
    }
}
