using Rosetta.Cli.Invocations;
using Rosetta.Cli.Views;
using Rosetta.Client.Answers;
using Spectre.Console;

namespace Rosetta.Cli.Commands;

/// <summary><c>rosetta pipelines watch</c>: a live view from the API's events; one JSON object per line with --json.</summary>
static class WatchCommand
{
    public static async Task RunAsync(Invocation i)
    {
        var path = $"pipelines/{await PipelineCommands.PipelineIdAsync(i)}/events";
        if (i.Json)
        {
            await foreach (var item in i.Api.EventsAsync(path, i.Cancelled))
                i.Line(item.Text);
            return;
        }
        var rates = new RowRates();
        await i.Console.Live(new Text("waiting for the first event")).StartAsync(async live =>
        {
            await foreach (var item in i.Api.EventsAsync(path, i.Cancelled))
            {
                var pipeline = item.As<Pipeline>();
                rates.Observe(pipeline);
                live.UpdateTarget(PipelineView.Render(pipeline, rates));
            }
        });
    }
}
