using Akka.Event;
using Rosetta.Actors.Pipelines;
using Rosetta.Core.Errors;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;
using Rosetta.Postgres.Source;

namespace Rosetta.Actors.Replication;

/// <summary>The source's catalog as it was read at one moment.</summary>
/// <param name="Answers">The orders to read it that were there before.</param>
sealed record CatalogReading(IReadOnlyList<long> Answers, IReadOnlyList<SourceTable> Tables);

/// <summary>
/// Looks at the source's catalog from time to time, and when asked: new tables are published and planned, a publication that was changed
/// behind our back is found.
/// </summary>
sealed class CatalogWatch(PipelineRun run, SourceLink link, ILoggingAdapter log)
{
    readonly SemaphoreSlim _now = new(0, 1);
    readonly Publications _publications = new(link.Database, run.Definition.Source.PublicationName, run.Services.Installation);
    readonly HashSet<TableName> _seen = [];

    /// <summary>Tables that the preflight found unfit, and why.</summary>
    public IReadOnlyDictionary<TableName, PreflightFinding> Blocked { get; set; } = new Dictionary<TableName, PreflightFinding>();

    public void LookNow()
    {
        try
        {
            _now.Release();
        }
        catch (SemaphoreFullException)
        {
            // A look is pending already.
        }
    }

    /// <summary>Publishes what is wanted, compares with what was recorded, and plans. Called before the slot is made, and again and again.</summary>
    /// <param name="stored">What the record says; null before the slot's first record, or when it no longer counts.</param>
    /// <param name="reading">The catalog, if somebody has read it just now.</param>
    /// <exception cref="FaultException">A publication is gone or another one: a gap of the pipeline.</exception>
    public async Task<PublicationFacts> LookAsync(PublicationFacts? stored, CancellationToken cancellationToken, CatalogReading? reading = null)
    {
        reading ??= new CatalogReading(run.Refreshes.Begin(), await link.Catalog.ListAsync(null, cancellationToken).ConfigureAwait(false));
        var tables = reading.Tables;
        var drift = PublicationDrift.None;
        if (stored is not null)
        {
            drift = PublicationDrift.Between(stored, await _publications.ReadAsync(stored, cancellationToken).ConfigureAwait(false));
            if (drift.Gap is { } gap)
            {
                throw new FaultException(new Fault(
                    ErrorClass.Operator, gap, $"Changes made meanwhile are lost. POST /pipelines/{run.Definition.Id}/resync copies its tables again.",
                    null, IsGap: true));
            }
        }

        var ensured = await _publications
            .EnsureAsync(run.Definition.Id, stored, Published(stored, tables), cancellationToken).ConfigureAwait(false);
        link.Publications = ensured.Facts;
        foreach (var added in ensured.Added.Where(_seen.Add))
            log.Info("Pipeline {Pipeline}: table [{Table}] is published", run.Definition.Id, added);
        // Taken out by ourselves is no drift.
        var drifts = drift.Tables.Where(t => !ensured.Removed.Contains(t.Table)).ToList();
        foreach (var table in drifts)
            log.Warning("Pipeline {Pipeline}: table [{Table}] lost changes: {Reason}", run.Definition.Id, table.Table, table.Reason);
        var changed = run.Plans.Publish(PipelinePlanner.Plan(run.Definition, new SourceView(tables, ensured.Facts, [.. ensured.Failed, .. Unfit(ensured.Failed)], drifts), run.Orders));
        run.PlansChanged(changed);
        run.Refreshes.End(reading.Answers);
        return ensured.Facts;
    }

    /// <summary>What is wanted, and what leaves the publication only when every destination has forgotten it.</summary>
    HashSet<TableName> Published(PublicationFacts? stored, IReadOnlyList<SourceTable> tables)
    {
        var published = PipelinePlanner.Wanted(run.Definition, tables).ToHashSet();
        if (stored is { IsAdopted: false })
            published.UnionWith(run.StillHeld(stored.Tables).Intersect(tables.Select(t => t.Name)));
        return published;
    }

    IEnumerable<TablePublicationFailure> Unfit(IReadOnlyList<TablePublicationFailure> known) =>
        Blocked.Where(b => known.All(k => k.Table != b.Key)).Select(b => new TablePublicationFailure(b.Key, b.Value.Detail, b.Value.FixSql));

    /// <summary>Looks again after each interval, and when asked.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await _now.WaitAsync(run.Services.Settings.CatalogInterval, cancellationToken).ConfigureAwait(false);
            if (link.Record is not { } record)
                continue;
            var stored = PublicationFacts.FromJson(record.PublicationJson);
            Blocked = (await Preflight.RunAsync(
                link.Database, new PreflightRequest(run.Definition.Source.PublicationName, link.Slot, true, !stored.IsAdopted), cancellationToken)
                .ConfigureAwait(false)).BlockedTables;
            var now = await LookAsync(stored, cancellationToken).ConfigureAwait(false);
            await RememberAsync(record, now, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// The record follows only when every lane has stored that a drifted table stopped: a crash before that finds the drift again.
    /// </summary>
    async Task RememberAsync(Store.Runtime.SlotRecord record, PublicationFacts now, CancellationToken cancellationToken)
    {
        var json = now.ToJson();
        if (json == record.PublicationJson || !run.DriftsRecorded())
            return;
        try
        {
            if (!await run.Services.SlotRecords.SavePublicationAsync(run.Definition.Id, run.Epoch, json, cancellationToken).ConfigureAwait(false))
                throw new FencedException("the config database", run.Epoch);
        }
        catch (Store.Configuration.ConfigDatabaseUnavailableException)
        {
            // Away: found again at the next look.
            return;
        }

        link.Record = (link.Record ?? record) with { PublicationJson = json };
    }
}
