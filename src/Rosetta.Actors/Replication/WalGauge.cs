using Akka.Event;
using Npgsql;
using Rosetta.Actors.Pipelines;
using Rosetta.Actors.Spill;
using Rosetta.Core.Positions;
using Rosetta.Postgres.Source;
using Rosetta.Store.Configuration;
using Rosetta.Store.Monitoring;

namespace Rosetta.Actors.Replication;

/// <summary>The source's WAL position and what the pipeline's slot makes it keep, about once a second; a notification above the bound.</summary>
sealed class WalGauge(PipelineRun run, SourceLink link, ILoggingAdapter log)
{
    static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    readonly CatchUpWatch _catchUp = new(run.Services.Time);
    bool _warned;
    long _budget;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await using var connection = await link.Database.OpenAsync(cancellationToken).ConfigureAwait(false);
        _budget = await SlotMeasure.ReadKeepSizeAsync(connection, cancellationToken).ConfigureAwait(false) is { } keep
            ? Math.Min(run.Services.Settings.SpillWal, keep / 2)
            : run.Services.Settings.SpillWal;
        using var timer = new PeriodicTimer(Interval, run.Services.Time);
        do
        {
            var measured = await SlotMeasure.ReadAsync(connection, link.Slot, cancellationToken).ConfigureAwait(false);
            run.Source.Current = measured.Current;
            run.Source.RetainedBytes = measured.RetainedBytes;
            run.Source.ActiveBackends = measured.ActiveBackends;
            Spill(measured.Current);
            await LetGoAsync(connection, measured.Current, cancellationToken).ConfigureAwait(false);
            await WarnAsync(measured.RetainedBytes ?? 0, cancellationToken).ConfigureAwait(false);
        }
        while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false));
    }

    /// <summary>The lanes that have to let the slot go on, if any: told again each time, until they do.</summary>
    void Spill(Lsn current)
    {
        if (SpillPolicy.Choose(_catchUp.Look(run.Hub.Lanes, current), current, _budget) is { Count: > 0 } chosen)
            run.SpillWanted(chosen);
    }

    /// <summary>Where every destination was given up nobody reads the slot and nobody waits for it: it goes on all the same, or the source would keep its WAL for nobody.</summary>
    async Task LetGoAsync(NpgsqlConnection connection, Lsn current, CancellationToken cancellationToken)
    {
        var lanes = run.Hub.Lanes;
        if (lanes.Count == 0 || run.Hub.IsRunning || !lanes.All(l => l.IsGivenUp) || run.Source.Confirmed >= current)
            return;
        if (!await link.RecordAcknowledgementAsync(current, cancellationToken).ConfigureAwait(false))
            return;
        try
        {
            run.Source.Confirmed = await SlotMeasure.AdvanceAsync(connection, link.Slot, current, cancellationToken).ConfigureAwait(false);
            run.Hub.SlotStandsAt(run.Source.Confirmed.Value);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.ObjectInUse)
        {
            // A stream has just begun: it acknowledges.
        }
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
