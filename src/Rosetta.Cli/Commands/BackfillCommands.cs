using System.CommandLine;
using System.Text.Json;
using Rosetta.Cli.Invocations;
using Rosetta.Cli.Views;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;
using Spectre.Console;

namespace Rosetta.Cli.Commands;

/// <summary><c>rosetta backfill</c>.</summary>
static class BackfillCommands
{
    static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    static readonly Argument<string> PipelineArgument = new("pipeline") { Description = "Id or name" };
    static readonly Argument<long> JobArgument = new("job") { Description = "Id of the job" };

    public static Command Create() => Verb.Group(
        "backfill", "Rows brought again from the source",
        StartVerb(),
        Verb.Create("list", "The jobs of a pipeline, newest first", async i => i.Show<Page<Backfill>>(await i.GetAsync($"{await PathAsync(i)}?limit=1000"), p => Render(p.Items)), PipelineArgument),
        Verb.Create("show", "One job", async i => i.Show<Backfill>(await i.GetAsync($"{await PathAsync(i)}/{i.Value(JobArgument)}"), b => Render([b])), PipelineArgument, JobArgument),
        Verb.Create("cancel", "Ends it after the batch at hand; what has been brought stays", CancelAsync, PipelineArgument, JobArgument));

    static async Task<string> PathAsync(Invocation i) => $"pipelines/{await i.IdAsync("pipelines", PipelineArgument)}/backfill";

    static Command StartVerb()
    {
        var table = new Argument<string>("table") { Description = "schema.table as in the catalog" };
        var filters = new Option<string[]>("--filter", "-f")
        {
            Description = "\"column operator literal\", or a JSON object of column, operator and value; up to 5, joined by AND",
        };
        var destinations = new Option<string[]>("--destination") { Description = "Id or name; may be repeated (default: all of the pipeline)" };
        var batch = new Option<int?>("--batch-size") { Description = "Rows of a batch, at most (default 10000)" };
        var wait = new Option<bool>("--wait") { Description = "Until it has ended; exit code 1 unless it is COMPLETED" };
        return Verb.Create(
            "start", "Brings those rows of a table that meet the filters",
            async i =>
            {
                var path = await PathAsync(i);
                var ids = new List<long>();
                foreach (var destination in i.Value(destinations) ?? [])
                    ids.Add(await i.IdAsync("destinations", destination));
                var body = new StartBackfill(
                    i.Value(table), ids.Count == 0 ? null : ids, i.Value(batch), (i.Value(filters) ?? []) is { Length: > 0 } given ? [.. given.Select(Filter)] : null);
                var answer = await i.PostAsync(path, body);
                var job = answer.As<Backfill>();
                if (!i.Value(wait))
                {
                    i.Done(answer, $"backfill {job.Id} of {job.TableName}: {job.Status}");
                    return 0;
                }

                while (job.IsOpen)
                {
                    await Task.Delay(LookInterval, i.Cancelled);
                    answer = await i.GetAsync($"{path}/{job.Id}");
                    job = answer.As<Backfill>();
                }

                i.Show<Backfill>(answer, b => Render([b]));
                return job.Status == "COMPLETED" ? 0 : Verb.Failed;
            },
            PipelineArgument, table, filters, destinations, batch, wait);
    }

    static JsonElement Filter(string text)
    {
        if (!text.TrimStart().StartsWith('{'))
            return JsonSerializer.SerializeToElement(text);
        try
        {
            return JsonSerializer.Deserialize<JsonElement>(text);
        }
        catch (JsonException e)
        {
            throw new RefusedException($"--filter {text} is not JSON: {e.Message}");
        }
    }

    static async Task CancelAsync(Invocation i)
    {
        var answer = await i.PostAsync($"{await PathAsync(i)}/{i.Value(JobArgument)}/cancel");
        var job = answer.As<Backfill>();
        i.Done(answer, $"backfill {job.Id} of {job.TableName}: {job.Status}");
    }

    static Table Render(IReadOnlyList<Backfill> jobs)
    {
        var list = new Table().Border(TableBorder.Simple)
            .AddColumns("id", "table", "status")
            .AddColumn("rows", c => c.RightAligned())
            .AddColumn("of", c => c.RightAligned())
            .AddColumn("%", c => c.RightAligned())
            .AddColumn("rows/s", c => c.RightAligned())
            .AddColumns("filters", "error");
        foreach (var job in jobs)
        {
            list.AddRow(
                $"{job.Id}", Markup.Escape(job.TableName), States.Mark(job.Status), Quantities.Count(job.CountRecord), Quantities.Count(job.TotalRecord), $"{job.Progress:0.#}",
                job.IsOpen ? $"{job.RowsPerSecond:0}" : "",
                Markup.Escape(string.Join(" AND ", job.Filters.Select(f => f.ValueKind == JsonValueKind.String ? f.GetString() : f.GetRawText()))),
                Markup.Escape(job.ErrorMessage ?? ""));
        }

        return list;
    }
}
