using Rosetta.Cli.Views;
using Rosetta.Client;
using Rosetta.Demo.Setup;
using Rosetta.Demo.Traffic;

namespace Rosetta.Demo.Views;

/// <summary>A plain line every few seconds, for logs and pipes.</summary>
sealed class ProgressLines : IAsyncDisposable
{
    static readonly TimeSpan Interval = TimeSpan.FromSeconds(3);

    readonly CancellationTokenSource _stop = new();
    readonly Task _running;
    bool _disposed;

    ProgressLines(DemoPipeline pipeline, DemoTraffic traffic, Journal journal) => _running = RunAsync(pipeline, traffic, journal, _stop.Token);

    public static ProgressLines Start(DemoPipeline pipeline, DemoTraffic traffic, Journal journal) => new(pipeline, traffic, journal);

    static async Task RunAsync(DemoPipeline pipeline, DemoTraffic traffic, Journal journal, CancellationToken cancellationToken)
    {
        var rates = new RowRates();
        using var timer = new PeriodicTimer(Interval);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                try
                {
                    var now = await pipeline.ReadAsync(cancellationToken);
                    rates.Observe(now);
                    journal.Say($"{traffic.Account}: {PipelineSummary.Of(now, rates)}");
                }
                catch (ApiException e)
                {
                    journal.Say($"{traffic.Account}: {e.Title}");
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopped.
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_disposed)
            return;
        _disposed = true;
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
    }
}
