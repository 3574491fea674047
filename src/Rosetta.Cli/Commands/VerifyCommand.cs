using System.CommandLine;
using Rosetta.Cli.Invocations;
using Rosetta.Cli.Views;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;
using Spectre.Console;

namespace Rosetta.Cli.Commands;

/// <summary><c>rosetta verify</c>.</summary>
static class VerifyCommand
{
    static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    public static Command Create()
    {
        var pipeline = new Argument<string>("pipeline") { Description = "Id or name" };
        var tables = new Option<string[]>("--table", "-t") { Description = "schema.table; may be repeated (default: all)" };
        var destinations = new Option<string[]>("--destination") { Description = "Id or name; may be repeated (default: all of the pipeline)" };
        var repair = new Option<bool>("--repair") { Description = "Makes equal what differs" };
        var wait = new Option<bool>("--wait") { Description = "Until it has ended; exit code 1 when something differs or could not be compared" };
        var run = new Option<long?>("--run") { Description = "Shows this run, in place of beginning one" };
        return Verb.Create(
            "verify", "Compares a pipeline's tables with their source while they stream",
            async i =>
            {
                var path = $"pipelines/{await i.IdAsync("pipelines", pipeline)}/verify";
                var id = i.Value(run);
                if (id is null)
                {
                    var ids = new List<long>();
                    foreach (var destination in i.Value(destinations) ?? [])
                        ids.Add(await i.IdAsync("destinations", destination));
                    var body = new StartVerify((i.Value(tables) ?? []) is { Length: > 0 } named ? named : null, ids.Count == 0 ? null : ids, i.Value(repair));
                    var started = await i.PostAsync(path, body);
                    id = started.As<VerifyStarted>().RunId;
                    if (!i.Value(wait))
                    {
                        i.Done(started, $"verify {id} begun; 'rosetta verify {i.Value(pipeline)} --run {id}' shows it");
                        return 0;
                    }
                }

                var answer = await i.GetAsync($"{path}/{id}");
                while (i.Value(wait) && answer.As<Verify>().IsOpen)
                {
                    await Task.Delay(LookInterval, i.Cancelled);
                    answer = await i.GetAsync($"{path}/{id}");
                }

                i.Show<Verify>(answer, Render);
                return answer.As<Verify>() is { IsOpen: false, Equal: not true } ? Verb.Failed : 0;
            },
            pipeline, tables, destinations, repair, wait, run);
    }

    static Table Render(Verify verify)
    {
        var list = new Table().Border(TableBorder.Simple).AddColumns("destination", "table", "state");
        foreach (var column in (string[])["rows", "of", "differing", "missing", "extra"])
            list.AddColumn(column, c => c.RightAligned());
        list.AddColumns("as of", "error");
        foreach (var t in verify.Tables)
        {
            list.AddRow(
                $"{t.DestinationId}", Markup.Escape(t.Table), States.Mark(t.State), Quantities.Count(t.RowsCompared), Quantities.Count(t.RowsTotal), Quantities.Count(t.Differing),
                Quantities.Count(t.Missing), Quantities.Count(t.Extra), t.AsOfLsn ?? "", Markup.Escape(t.Error ?? ""));
        }

        return list;
    }
}
