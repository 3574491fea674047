using Akka.Actor;
using Akka.Event;
using Rosetta.Actors.Destinations;
using Rosetta.Actors.Spill;
using Rosetta.Core.Errors;
using Rosetta.Core.Lanes;
using Rosetta.Core.Positions;
using Rosetta.Core.Spill;
using Rosetta.Store.Pipelines;

namespace Rosetta.Actors.Pipelines;

/// <summary>The spill logs of its destinations.</summary>
public sealed partial class PipelineActor
{
    /// <summary>The epoch under which it is being done; null: it is not.</summary>
    long? _removesLeftovers;
    bool _removeLeftoversAgain;

    /// <summary>A lane, and its spill log where it may have one. With something in that it holds the slot there from the beginning.</summary>
    (Lane Lane, LaneSpill? Spill) Register(PipelineRun run, PipelineDestination attached)
    {
        var id = attached.Destination.Id;
        var before = run.Spills.GetValueOrDefault(id) is { } known && known.Log.Generation == attached.Generation
            ? known.Extent
            : run.Spilled.FirstOrDefault(s => s.Log.DestinationId == id && s.Log.Generation == attached.Generation);
        var lane = run.Hub.Register(id, Lsn.Zero, before?.Through);
        if (_services.Spill is not { } store)
            return (lane, null);
        var settings = _services.Settings;
        var log = new SpillLog(_id, id, attached.Generation);
        var spill = new LaneSpill(
            store, log, run.Epoch, lane, new SpillLimits(settings.SpillBytes, settings.SpillAge, settings.SpillEnd),
            () => run.LowestOf(id, attached.Generation), _services.Time);
        if (before is not null)
            spill.Restore(before);
        run.Spills[id] = spill;
        return (lane, spill);
    }

    void OnSpillWanted(SpillWanted wanted)
    {
        if (_run?.Epoch != wanted.Epoch || _phase != Phase.Running)
            return;
        foreach (var id in wanted.Destinations)
        {
            if (_destinations.TryGetValue(id, out var attached))
                attached.Actor.Tell(DestinationActor.Spill.Instance);
        }
    }

    /// <summary>
    /// What older generations and destinations that have left had in their logs goes, at every start and whenever one has left, beside everything else. What fails waits for
    /// the next time: it costs nothing but room.
    /// </summary>
    void RemoveLeftovers()
    {
        if (_services.Spill is not { } store || _phase != Phase.Running || _run is not { } run)
            return;
        if (_removesLeftovers == run.Epoch)
        {
            _removeLeftoversAgain = true;
            return;
        }

        (_removesLeftovers, _removeLeftoversAgain) = (run.Epoch, false);
        RemoveAsync().PipeTo(Self, failure: e => new LeftoversRemoved(run.Epoch, 0, e));

        async Task<LeftoversRemoved> RemoveAsync() => new(run.Epoch, await store.RemoveLeftoversAsync(_id, run.Epoch, run.Ended).ConfigureAwait(false), null);
    }

    void OnLeftoversRemoved(LeftoversRemoved removed)
    {
        if (_run?.Epoch != removed.Epoch)
            return;
        _removesLeftovers = null;
        if (removed.Error is FencedException)
        {
            OnFenced();
            return;
        }

        if (removed.Error is not null)
            _log.Warning("Pipeline {Pipeline}: what is left of old spill logs could not be removed; it is tried again at the next start: {Reason}", _id, removed.Error.Message);
        else if (removed.Parts > 0)
            _log.Info("Pipeline {Pipeline}: {Parts} parts of old spill logs were removed", _id, removed.Parts);
        if (_removeLeftoversAgain)
            RemoveLeftovers();
    }
}
