using System.CommandLine;
using Rosetta.Cli.Invocations;
using Rosetta.Cli.Views;
using Rosetta.Client;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;

namespace Rosetta.Cli.Commands;

/// <summary><c>rosetta resync</c>: tables made equal to their source again.</summary>
static class ResyncCommand
{
    public static Command Create()
    {
        var pipeline = new Argument<string>("pipeline") { Description = "Id or name" };
        var destinations = new Option<string[]>("--destination") { Description = "Only this destination (id or name); may be repeated" };
        var tables = new Option<string[]>("--table", "-t") { Description = "Only this table (schema.table); may be repeated" };
        var wait = new Option<bool>("--wait") { Description = "Until it has ended, then shows what was read and written; exit code 1 when a table did not come through" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Writes nothing; shows what would be inserted, updated and deleted" };
        return Verb.Create(
            "resync", "Makes tables equal to their source again by difference, with a new slot if the old one is lost",
            async i =>
            {
                var path = $"pipelines/{await i.IdAsync("pipelines", pipeline)}";
                var ids = new List<long>();
                foreach (var destination in i.Value(destinations) ?? [])
                    ids.Add(await i.IdAsync("destinations", destination));
                var named = i.Value(tables) ?? [];
                if (i.Value(dryRun))
                    return await ShowAsync(i, path, ids, named);
                var where = ids.Count == 0 ? "every destination" : $"{ids.Count} destinations";
                var what = named.Length == 0 ? "every table" : string.Join(", ", named);
                i.Confirm($"Make {what} of {i.Value(pipeline)} equal to the source again at {where}? Rows that only the destination has are deleted (--dry-run shows them).");
                if (named.Length == 0)
                {
                    var answer = await i.PostAsync($"{path}/resync", new Resync(ids.Count == 0 ? null : ids));
                    if (i.Value(wait))
                        return await new ResyncWait(i, path, [answer.As<Pipeline>().RequestId!.Value]).RunAsync();
                    i.Done(answer, $"{i.Value(pipeline)}: resync asked for");
                    return 0;
                }

                var requests = new List<long>();
                var chosen = ids.Count > 0 ? ids : [.. (await i.GetAsync(path)).As<Pipeline>().Destinations.Select(d => d.DestinationId)];
                foreach (var (destination, table) in chosen.SelectMany(d => named.Select(t => (d, t))))
                {
                    var answer = await i.PostAsync($"{path}/destinations/{destination}/tables/{Lookups.Escape(table)}/resync");
                    if (i.Value(wait))
                        requests.Add(answer.As<DestinationTable>().RequestId!.Value);
                    else
                        i.Done(answer, $"{table} at destination {destination}: resync asked for");
                }

                return requests.Count == 0 ? 0 : await new ResyncWait(i, path, requests).RunAsync();
            },
            pipeline, destinations, tables, wait, dryRun);
    }

    static async Task<int> ShowAsync(Invocation i, string path, List<long> destinations, string[] tables)
    {
        var ids = destinations.Count == 0 ? null : destinations;
        var started = tables.Length == 0
            ? await i.PostAsync($"{path}/resync?dry_run=true", new Resync(ids))
            : await i.PostAsync($"{path}/verify", new StartVerify(tables, ids));
        i.Show<Verify>(await VerifyCommand.ReadAsync(i, $"{path}/verify/{started.As<VerifyStarted>().RunId}", wait: true), v => VerifyView.Render(v, isDryRun: true));
        return 0;
    }
}
