using Akka.Event;
using Rosetta.Actors.Pipelines;
using Rosetta.Postgres.Source;
using Rosetta.Store.Configuration;
using Rosetta.Store.Monitoring;

namespace Rosetta.Actors.Replication;

/// <summary>The source's WAL position and what the pipeline's slot makes it keep, about once a second; a notification above the bound.</summary>
sealed class WalGauge(PipelineRun run, SourceLink link, ILoggingAdapter log)
{
    static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    bool _warned;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await using var connection = await link.Database.OpenAsync(cancellationToken).ConfigureAwait(false);
        using var timer = new PeriodicTimer(Interval, run.Services.Time);
        do
        {
            var measured = await SlotMeasure.ReadAsync(connection, link.Slot, cancellationToken).ConfigureAwait(false);
            run.Source.Current = measured.Current;
            run.Source.RetainedBytes = measured.RetainedBytes;
            run.Source.ActiveBackends = measured.ActiveBackends;
            await WarnAsync(measured.RetainedBytes ?? 0, cancellationToken).ConfigureAwait(false);
        }
        while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Once each time the bound is passed.</summary>
    async Task WarnAsync(long bytes, CancellationToken cancellationToken)
    {
        var bound = run.Services.Settings.WalWarningBytes;
        var above = bytes > bound;
        if (above == _warned)
            return;
        _warned = above;
        if (!above)
            return;
        log.Warning(
            "Pipeline {Pipeline}: slot [{Slot}] makes the source keep {Bytes} bytes of WAL, above the bound of {Bound}; the slowest destination holds it",
            run.Definition.Id, link.Slot, bytes, bound);
        try
        {
            await run.Services.Notifications.RaiseAsync(
                new NewNotification(
                    NotificationSeverity.Warning, $"pipeline/{run.Definition.Id}/wal",
                    $"Slot {link.Slot} makes the source keep {bytes} bytes of WAL, above the bound of {bound}.",
                    "The destination with the lowest applied_lsn holds it: mend it, or remove it from the pipeline.", run.Definition.Id),
                cancellationToken).ConfigureAwait(false);
        }
        catch (ConfigDatabaseUnavailableException e)
        {
            log.Warning("Pipeline {Pipeline}: the notification could not be stored: {Reason}", run.Definition.Id, e.Message);
        }
    }
}
