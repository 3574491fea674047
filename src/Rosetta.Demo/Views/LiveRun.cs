using Rosetta.Cli.Views;
using Rosetta.Client;
using Rosetta.Demo.Check;
using Rosetta.Demo.Machine;
using Rosetta.Demo.Setup;
using Rosetta.Demo.Traffic;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Rosetta.Demo.Views;

/// <summary>The demo for spectators: traffic and a live picture until Ctrl-C; plain lines where the output is no terminal.</summary>
static class LiveRun
{
    const int LargeTransactionRows = 100_000;

    static readonly TimeSpan RefreshInterval = TimeSpan.FromMilliseconds(500);
    static readonly TimeSpan SceneInterval = TimeSpan.FromSeconds(25);
    static readonly TimeSpan RefusedFor = TimeSpan.FromSeconds(15);
    static readonly TimeSpan StreamingDeadline = TimeSpan.FromSeconds(300);

    /// <returns>Never: it ends by cancellation, or with the failure of the traffic.</returns>
    public static async Task<int> RunAsync(DemoMachine machine, DemoOptions options, Journal journal, CancellationToken cancellationToken)
    {
        await using var traffic = await DemoTraffic.CreateAsync(machine.Source, options, journal, cancellationToken);
        await machine.StartNodeAsync(cancellationToken);
        using var api = machine.Node.Connect();
        traffic.Start();
        var pipeline = await DemoPipeline.CreateAsync(api, machine, journal, cancellationToken);
        journal.Say("Ctrl-C stops everything and removes it");
        if (Console.IsOutputRedirected || !AnsiConsole.Profile.Capabilities.Interactive)
        {
            await using var lines = ProgressLines.Start(pipeline, traffic, journal);
            await ScenesAsync(machine, pipeline, traffic, journal, cancellationToken);
        }
        else
        {
            await AnsiConsole.Live(new Text("")).AutoClear(false).StartAsync(async live =>
            {
                var scenes = ScenesAsync(machine, pipeline, traffic, Journal.Silent, cancellationToken);
                await Task.WhenAny(scenes, RefreshAsync(live, machine, pipeline, traffic, cancellationToken)).Unwrap();
            });
        }
        return 1;
    }

    /// <summary>By turns a large transaction, and rows that one destination refuses for a while.</summary>
    static async Task ScenesAsync(DemoMachine machine, DemoPipeline pipeline, DemoTraffic traffic, Journal journal, CancellationToken cancellationToken)
    {
        await pipeline.WaitUntilStreamingAsync(StreamingDeadline, cancellationToken);
        var refunds = new RefundTable(machine.Source, machine.Targets[0]);
        while (true)
        {
            await traffic.RunForAsync(SceneInterval, cancellationToken);
            await RefundScene.RunAsync(machine, pipeline, refunds, RefusedFor, journal, cancellationToken);
            await traffic.RunForAsync(SceneInterval, cancellationToken);
            await traffic.LargeTransactionAsync(LargeTransactionRows, cancellationToken);
        }
    }

    static async Task RefreshAsync(
        LiveDisplayContext live, DemoMachine machine, DemoPipeline pipeline, DemoTraffic traffic, CancellationToken cancellationToken)
    {
        var rates = new RowRates();
        using var timer = new PeriodicTimer(RefreshInterval);
        do
        {
            IRenderable picture;
            try
            {
                var now = await pipeline.ReadAsync(cancellationToken);
                rates.Observe(now);
                picture = PipelineView.Render(now, rates);
            }
            catch (ApiException e)
            {
                picture = new Markup($"[red]{Markup.Escape(e.Message)}[/]");
            }
            live.UpdateTarget(new Rows(
                new Markup($"[bold]rosetta demo[/]  source {Markup.Escape($"{machine.Source}")}  {Markup.Escape(traffic.Account)}\n"), picture,
                new Markup("[grey]Ctrl-C stops everything and removes it[/]")));
        }
        while (await timer.WaitForNextTickAsync(cancellationToken));
    }
}
