using Akka.Event;
using Rosetta.Actors.Pipelines;

namespace Rosetta.Actors.Replication;

/// <summary>
/// What the source's side of a pipeline does: take over (shut out older incarnations, preflight, publications, slot, gap), plan the tables,
/// then stream, acknowledge and watch the catalog until released. Any failure ends it and its actor decides what follows.
/// </summary>
public sealed class SourceProgram
{
    readonly PipelineRun _run;
    readonly SourceTakeOver _takeOver;
    readonly MainStream _main;
    readonly CatalogWatch _catalog;
    readonly WalGauge _wal;
    readonly CancellationTokenSource _release = new();

    public SourceProgram(PipelineRun run, ILoggingAdapter log)
    {
        _run = run;
        _catalog = new CatalogWatch(run, run.LaneSource, log);
        _takeOver = new SourceTakeOver(run, run.LaneSource, _catalog, log);
        _wal = new WalGauge(run, run.LaneSource, log);
        _main = new MainStream(run, run.LaneSource);
    }

    public void Wake() => _main.Wake();

    public void Replan() => _catalog.LookNow();

    public void StopReading() => _main.StopReading();

    public void Release() => _release.Cancel();

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var release = _release;
        using var all = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            using (var either = CancellationTokenSource.CreateLinkedTokenSource(_release.Token, cancellationToken))
                await _takeOver.RunAsync(either.Token).ConfigureAwait(false);

            _run.Source.Fault = null;
            _run.Source.Ready = true;
            _run.LaneSource.SetReady();
            Task[] parts = [_main.RunAsync(_release.Token, all.Token), _catalog.RunAsync(all.Token), _wal.RunAsync(all.Token)];
            var first = await Task.WhenAny(parts).ConfigureAwait(false);
            await all.CancelAsync().ConfigureAwait(false);
            await Settle(parts, first).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_release.IsCancellationRequested)
        {
            // Released before the take-over was through.
        }
        finally
        {
            _run.Source.Ready = false;
            _run.LaneSource.SetNotReady();
        }
    }

    /// <summary>The part that ended first says why; the others end because of it.</summary>
    static async Task Settle(Task[] parts, Task first)
    {
        foreach (var part in parts.Where(p => p != first))
            await part.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await first.ConfigureAwait(false);
    }
}
