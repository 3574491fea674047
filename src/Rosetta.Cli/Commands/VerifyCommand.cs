using System.CommandLine;
using Rosetta.Cli.Invocations;
using Rosetta.Cli.Views;
using Rosetta.Client;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;

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

                var answer = await ReadAsync(i, $"{path}/{id}", i.Value(wait));
                i.Show<Verify>(answer, v => VerifyView.Render(v, isDryRun: false));
                return answer.As<Verify>() is { IsOpen: false, Equal: not true } ? Verb.Failed : 0;
            },
            pipeline, tables, destinations, repair, wait, run);
    }

    /// <summary>The run; told to wait, once it has ended, with a line of progress.</summary>
    public static async Task<ApiAnswer> ReadAsync(Invocation i, string path, bool wait)
    {
        using var line = new ProgressLine();
        var answer = await i.GetAsync(path);
        while (wait && answer.As<Verify>().IsOpen)
        {
            line.Show(VerifyView.Progress(answer.As<Verify>()));
            await Task.Delay(LookInterval, i.Cancelled);
            answer = await i.GetAsync(path);
        }

        return answer;
    }
}
