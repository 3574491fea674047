using Akka.Actor;
using Rosetta.Actors.Destinations;
using Rosetta.Actors.Spill;
using Rosetta.Core.Lanes;
using Rosetta.Core.Positions;
using Rosetta.Core.Spill;
using Rosetta.Store.Pipelines;

namespace Rosetta.Actors.Pipelines;

/// <summary>The spill logs of its destinations.</summary>
public sealed partial class PipelineActor
{
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
}
