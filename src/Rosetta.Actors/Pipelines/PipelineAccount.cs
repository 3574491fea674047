using Rosetta.Actors.Destinations;
using Rosetta.Actors.Spill;
using Rosetta.Core.Errors;
using Rosetta.Core.Lanes;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Tables;
using Rosetta.Store.Runtime;

namespace Rosetta.Actors.Pipelines;

/// <summary>Puts together what is reported of a pipeline. Remembers only since when it has been in its state.</summary>
sealed class PipelineAccount(TimeProvider time, string node)
{
    PipelineState _state = PipelineState.Stopped;
    DateTimeOffset _since = time.GetUtcNow();
    int _restarts;

    /// <param name="changed">Told when the state is another one than before.</param>
    public PipelineReport Of(
        PipelineRun run, bool stopping, IReadOnlyList<(long Id, DestinationStatus Status, Lane Lane)> destinations, Action<PipelineState, Fault?> changed)
    {
        var conditions = destinations.Select(d => new DestinationCondition(
            d.Status.Health(d.Lane.Shown, d.Lane.Behind), d.Status.Applied is not null, d.Status.Tables.Any(t => t.State == TableState.Error) || d.Status.StoreFault is not null,
            d.Status.Fault)).ToList();
        var (state, fault) = PipelineHealth.Of(new PipelineCondition(true, stopping, run.Source.Ready, run.Source.Fault, conditions));
        Enter(state, fault, changed);
        var reports = destinations.Zip(conditions).Select(d => OfDestination(run, d.First.Id, d.First.Status, d.First.Lane, d.Second.Health)).ToList();
        return Report(run, fault, reports);
    }

    public PipelineReport Stopped(PipelineRun run)
    {
        Enter(PipelineState.Stopped, null, (_, _) => { });
        return Report(run, null, []);
    }

    void Enter(PipelineState state, Fault? fault, Action<PipelineState, Fault?> changed)
    {
        if (state == _state)
            return;
        if (state is PipelineState.Retrying or PipelineState.Error)
            _restarts++;
        _state = state;
        _since = time.GetUtcNow();
        changed(state, fault);
    }

    PipelineReport Report(PipelineRun run, Fault? fault, IReadOnlyList<DestinationReport> destinations) => new(
        run.Definition.Id, run.Epoch, _state, node, _since, _restarts, fault?.Reason, fault?.Remedy,
        run.Source.Slot, run.Source.Received, run.Source.Confirmed, run.Source.RetainedBytes, destinations);

    DestinationReport OfDestination(PipelineRun run, long id, DestinationStatus status, Lane lane, DestinationHealth health)
    {
        // A lane that streams moves on over WAL that holds nothing for it, too.
        if (status.Applied is not null && lane.Shown == LaneState.Attached)
            status.AppliedUpTo(lane.Passed);
        var applied = status.Applied;
        var current = run.Source.Current;
        var fault = status.Fault ?? Unparkable(status.StoreFault);
        return new DestinationReport(
            id, health, lane.Shown, run.Source.RetainedBytes, applied,
            applied is { } a && current is { } c ? c.BytesSince(a) : null,
            applied is null ? null : Lag(lane),
            status.LastSuccess, fault?.Reason, fault?.Remedy,
            // Before the lane has looked at its tables, what was reported of them stays.
            !status.Tables.Any() ? null : [.. status.Tables.Select(t => new TableReport(
                t.Table, t.Target, t.StateAt(lane.Passed), t.SnapshotRows, t.SnapshotRowsEstimated, t.Rows.Inserted, t.Rows.Updated, t.Rows.Deleted, t.Error, t.Remedy)
            {
                Copy = t.CopyAt(time.GetUtcNow()),
                LastResync = t.LastResync,
            })])
        {
            DlqCount = status.Parked,
            Spill = status.Spill is { } spill ? SpillReportOf(spill) : null,
        };
    }

    static SpillReport? SpillReportOf(LaneSpill spill)
    {
        var (extent, fault) = (spill.Extent, spill.Fault);
        if (extent is null && fault is null)
            return null;
        var (written, drained) = spill.Rate.Current;
        return new SpillReport(
            extent?.Transactions ?? 0, extent?.Bytes ?? 0, extent?.RawBytes ?? 0, extent?.From, extent?.Through, extent?.Oldest, Math.Round(written), Math.Round(drained),
            extent is not null && drained > written ? Math.Round(extent.RawBytes / (drained - written)) : null, extent?.Abandoned ?? fault?.Reason,
            extent?.Abandoned is null ? fault?.Remedy : null);
    }

    /// <summary>The destination goes on; what it refuses would stop it.</summary>
    static Fault? Unparkable(Fault? store) =>
        store is null ? null : store with { Reason = $"Changes that this destination refuses cannot be parked; the first of them will stop it. {store.Reason}" };

    /// <summary>Seconds that the oldest outstanding change may have waited; 0 when nothing is outstanding.</summary>
    static double Lag(Lane lane) => Math.Round(lane.Behind.TotalSeconds, 3);
}
