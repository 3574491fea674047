using Akka.Event;
using Npgsql;
using Rosetta.Actors.Pipelines;
using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;
using Rosetta.Postgres.Replication;
using Rosetta.Postgres.Source;
using Rosetta.Postgres.Wire;
using Rosetta.Store.Runtime;

namespace Rosetta.Actors.Replication;

/// <summary>
/// Makes the source ours: older incarnations are shut out, the preflight passes, the publications hold what is wanted, and the slot is the
/// recorded one and whole, or made. A slot that is not recorded as ours is never touched; a gap is never skipped.
/// </summary>
sealed class SourceTakeOver(PipelineRun run, SourceLink link, CatalogWatch catalog, ILoggingAdapter log)
{
    CatalogReading? _reading;

    long Id => run.Definition.Id;

    SlotRecordRepository Records => run.Services.SlotRecords;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        run.Source.Slot = link.Slot;
        await link.Slots.TerminateOlderAsync(link.Name, cancellationToken).ConfigureAwait(false);
        var record = await Records.FindAsync(Id, cancellationToken).ConfigureAwait(false);
        var source = await link.Slots.IdentifyAsync(record?.Timeline, cancellationToken).ConfigureAwait(false);
        var slot = await link.Slots.FindAsync(link.Slot, cancellationToken).ConfigureAwait(false);
        await RequirePreflightAsync(record, cancellationToken).ConfigureAwait(false);

        var decision = GapDecision.Decide(record is null ? null : link.Recorded(record), slot, source, SourceLink.NoPositions);
        if (decision.Action is SlotAction.Gap && run.Orders.AnyWhole)
        {
            RequireFresh(decision.Reason!);
            log.Info("Pipeline {Pipeline}: its slot is made anew for the resync: {Reason}", Id, decision.Reason);
            decision = decision with { Action = slot is null ? SlotAction.Create : SlotAction.Recreate };
            record = null;
        }

        var stored = record is { ConsistentPoint.IsZero: false } ? PublicationFacts.FromJson(record.PublicationJson) : null;
        switch (decision.Action)
        {
            case SlotAction.Resume:
                await ResumeAsync(source, record!, slot!, stored!, cancellationToken).ConfigureAwait(false);
                break;
            case SlotAction.Create or SlotAction.Recreate:
                await CreateAsync(source, decision.Action == SlotAction.Recreate, cancellationToken).ConfigureAwait(false);
                break;
            default:
                throw new FaultException(new Fault(
                    ErrorClass.Operator, decision.Reason!, Remedy(decision), null, IsGap: decision.Action == SlotAction.Gap));
        }

        run.ResyncsAreFresh = false;
    }

    async Task ResumeAsync(SourceIdentity source, SlotRecord record, SlotFacts slot, PublicationFacts stored, CancellationToken cancellationToken)
    {
        link.Record = record;
        try
        {
            await LookAsync(stored, cancellationToken).ConfigureAwait(false);
        }
        catch (FaultException e) when (e.Fault.IsGap && run.Orders.AnyWhole)
        {
            // The publication is another one. The server decodes by the catalog of then, which does not have it: the old slot's stream is of no use.
            RequireFresh(e.Fault.Reason);
            log.Info("Pipeline {Pipeline}: its slot is made anew for the resync: {Reason}", Id, e.Fault.Reason);
            await CreateAsync(source, dropFirst: true, cancellationToken).ConfigureAwait(false);
            return;
        }

        Failpoint.Hit(FailpointNames.PublicationMade);
        StandAt(slot.ConfirmedFlush!.Value);
    }

    /// <summary>What a resync has brought rests on the slot that is lost now: it begins anew.</summary>
    void RequireFresh(string lost)
    {
        if (!run.ResyncsAreFresh)
            throw new ResyncCutException(lost);
    }

    /// <summary>
    /// The creation is announced in the config database before and recorded after: what a crash leaves between is known as ours and dropped.
    /// </summary>
    async Task CreateAsync(SourceIdentity source, bool dropFirst, CancellationToken cancellationToken)
    {
        if (dropFirst)
            await link.Slots.DropAsync(link.Slot, SessionName.PrefixOf(run.Services.Installation, Id), cancellationToken).ConfigureAwait(false);
        // The walsender that makes the slot comes while the publications are made, and with it another session into the pool: the gauge of the WAL and the lanes will ask
        // at the same moment.
        await using var next = new OpenedAhead<NpgsqlConnection>(link.Database.OpenAsync, cancellationToken);
        await using var ahead = new OpenedAhead<ReplicationConnection>(token => link.OpenReplicationAsync("slot", token).AsTask(), cancellationToken);
        var publications = await LookAsync(null, cancellationToken).ConfigureAwait(false);
        Failpoint.Hit(FailpointNames.PublicationMade);
        var record = new SlotRecord(
            Id, link.Slot, source.SystemIdentifier, source.Timeline, Lsn.Zero, "{}", publications.ToJson(), null, []);
        await Require(Records.SaveAsync(run.Epoch, record, cancellationToken)).ConfigureAwait(false);
        var created = await MakeSlotAsync(await ahead.TakeAsync().ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        ShowWaiting(null);
        Failpoint.Hit(FailpointNames.SlotCreated);
        record = record with { ConsistentPoint = created.ConsistentPoint };
        await Require(Records.SaveAsync(run.Epoch, record, cancellationToken)).ConfigureAwait(false);
        Failpoint.Hit(FailpointNames.SlotRecorded);
        run.ResyncsAreFresh = false;
        log.Info("Pipeline {Pipeline}: slot [{Slot}] was made at {Lsn}", Id, link.Slot, created.ConsistentPoint);
        link.Record = record;
        StandAt(created.ConsistentPoint);
    }

    async Task<CreatedSlot> MakeSlotAsync(ReplicationConnection connection, CancellationToken cancellationToken)
    {
        try
        {
            var created = await SlotCreationWatch.CreateAsync(
                connection, new SlotRequest(link.Slot), link.Database, new Waiting(ShowWaiting), run.Services.Time, cancellationToken).ConfigureAwait(false);
            await link.SpareSender.KeepAsync(connection).ConfigureAwait(false);
            return created;
        }
        catch (Exception e)
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            if (e is not PgServerException { SqlState: "42710" } taken)
                throw;
            // Somebody made it between our look and now: it is not ours.
            await Records.ForgetAsync(Id, run.Epoch, cancellationToken).ConfigureAwait(false);
            throw new FaultException(
                new Fault(ErrorClass.Operator, $"Replication slot {link.Slot} was made by somebody else.", "Choose another replication_name for the source.", taken.SqlState), e);
        }
    }

    async Task RequirePreflightAsync(SlotRecord? record, CancellationToken cancellationToken)
    {
        // A pipeline stays with the publications it has, whatever the user has made since.
        var ownPublication = record is { ConsistentPoint.IsZero: false } && !PublicationFacts.FromJson(record.PublicationJson).IsAdopted;
        var refreshes = run.Refreshes.Begin();
        var report = await Preflight.RunAsync(
            link.Database, new PreflightRequest(run.Definition.Source.PublicationName, link.Slot, record is not null, ownPublication), cancellationToken)
            .ConfigureAwait(false);
        if (report.Blocking is { } blocking)
        {
            // A source that went away just now is tried again; one that refuses us was found so before.
            var kind = blocking.Check == PreflightChecks.Connection ? ErrorClass.Transient : ErrorClass.Operator;
            throw new FaultException(new Fault(kind, blocking.Detail, blocking.FixSql));
        }

        catalog.Blocked = report.BlockedTables;
        _reading = report.Tables is { } tables ? new CatalogReading(refreshes, tables) : null;
    }

    /// <summary>With the catalog that the preflight has read, once.</summary>
    Task<PublicationFacts> LookAsync(PublicationFacts? stored, CancellationToken cancellationToken)
    {
        var reading = _reading;
        _reading = null;
        return catalog.LookAsync(stored, cancellationToken, reading);
    }

    void StandAt(Lsn confirmed)
    {
        run.Source.Confirmed = confirmed;
        run.Hub.SlotStandsAt(confirmed);
    }

    void ShowWaiting(SlotCreationWait? wait) => run.Source.Fault = wait is null ? null : new Fault(
        ErrorClass.Transient, wait.Describe(), wait.FixSql ?? "Wait, or end that transaction.");

    sealed class Waiting(Action<SlotCreationWait?> show) : IProgress<SlotCreationWait>
    {
        public void Report(SlotCreationWait value) => show(value);
    }

    string? Remedy(SlotDecision decision) => decision.Remedy?.Replace("{id}", Id.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal);

    async Task Require(Task<bool> write)
    {
        if (!await write.ConfigureAwait(false))
            throw new FencedException("the config database", run.Epoch);
    }
}
