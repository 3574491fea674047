using System.Collections.Concurrent;
using Rosetta.Actors.Destinations;
using Rosetta.Actors.Replication;
using Rosetta.Actors.Spill;
using Rosetta.Core.Lanes;
using Rosetta.Core.Positions;
using Rosetta.Core.Spill;
using Rosetta.Core.Tables;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Runtime;

namespace Rosetta.Actors.Pipelines;

/// <summary>One incarnation of a pipeline: what its actors share. Made when an epoch was issued, gone when it stops.</summary>
public sealed class PipelineRun : IDisposable
{
    readonly CancellationTokenSource _ended = new();
    volatile PipelineDefinition _definition;

    /// <param name="hubWanted">See <see cref="LaneHub"/>.</param>
    public PipelineRun(PipelineDefinition definition, long epoch, PipelineServices services, Action hubWanted)
    {
        _definition = definition;
        Epoch = epoch;
        Ended = _ended.Token;
        Services = services;
        LaneSource = new SourceLink(this);
        Hub = new LaneHub(new LaneHubOptions(services.Settings.LaneLogBytes, services.Settings.LaneGrace), services.Time, hubWanted);
        var settings = services.Settings;
        CopyPace = new CopyPace(
            new CopyLimits(settings.CopyRows, settings.CopyBytes, settings.CopyLag, settings.CopyRetainedWal, settings.CopySourceBackends), Hub, Source, services.Time);
    }

    public PipelineServices Services { get; }

    public long Epoch { get; }

    /// <summary>Cancelled when it stops.</summary>
    public CancellationToken Ended { get; }

    public PipelineDefinition Definition
    {
        get => _definition;
        set => _definition = value;
    }

    public LaneHub Hub { get; }

    public PlanBoard Plans { get; } = new();

    public SourceStatus Source { get; } = new();

    /// <summary>Keeps the copies to all of its destinations to the limits.</summary>
    public CopyPace CopyPace { get; }

    /// <summary>Told the destinations whose plan changed.</summary>
    public Action<IReadOnlyList<long>> PlansChanged { get; set; } = static _ => { };

    /// <summary>The plan whose drifted tables each destination has stored as stopped.</summary>
    public ConcurrentDictionary<long, DestinationPlan> DriftsStored { get; } = new();

    /// <summary>Every destination has stored what lost changes: the publications' record may follow.</summary>
    public bool DriftsRecorded() => Definition.Destinations.All(d =>
        Plans[d.Destination.Id] is not { Drifts.Count: > 0 } plan
        || (DriftsStored.TryGetValue(d.Destination.Id, out var stored) && stored.Drifts.Count == plan.Drifts.Count
            && plan.Drifts.All(x => stored.Drifts.ContainsKey(x.Key))));

    /// <summary>The tables that each destination has a state for, as far as it has been opened.</summary>
    public ConcurrentDictionary<long, IReadOnlySet<TableName>> Held { get; } = new();

    /// <summary>
    /// Tables that are published and have to stay so although nobody may want them any more: as long as a destination has a state for one, it would go on
    /// from there, over a gap, if the table were chosen again.
    /// </summary>
    public IEnumerable<TableName> StillHeld(IReadOnlySet<TableName> published) => published.Where(t => Definition.Destinations.Any(
        d => !Held.TryGetValue(d.Destination.Id, out var held) || held.Contains(t)));

    public SourceLink LaneSource { get; }

    /// <summary>Stored positions of the destinations that have been opened, by destination; what an acknowledgement rests on.</summary>
    public ConcurrentDictionary<long, RestedOn> Stored { get; } = new();

    public IReadOnlyCollection<RestedOn> RestedOn()
    {
        // A destination that was not opened in this incarnation keeps what was recorded for it.
        var rested = (LaneSource.Record?.RestedOn ?? []).ToDictionary(r => r.DestinationId);
        foreach (var (id, position) in Stored)
            rested[id] = position;
        // What a spill log has the slot lets go: a destination below that, and without its log, has a gap.
        foreach (var (id, spill) in Spills)
        {
            if (spill.Extent is { } extent && (!rested.TryGetValue(id, out var at) || at.Generation != spill.Log.Generation || at.Position < extent.Through))
                rested[id] = new RestedOn(id, spill.Log.Generation, extent.Through);
        }

        return rested.Values;
    }

    /// <summary>What earlier incarnations left in spill logs.</summary>
    public IReadOnlyList<SpillExtent> Spilled { get; set; } = [];

    /// <summary>The spill logs of its destinations, where they may have any.</summary>
    public ConcurrentDictionary<long, LaneSpill> Spills { get; } = new();

    /// <summary>Told the destinations whose changes have to be spilled.</summary>
    public Action<IReadOnlyList<long>> SpillWanted { get; set; } = static _ => { };

    /// <summary>The lowest position that a destination may be at, as far as it is known; null: it is not.</summary>
    public Lsn? LowestOf(long destinationId, Guid generation) =>
        Stored.TryGetValue(destinationId, out var stored) && stored.Generation == generation ? stored.Position
        : LaneSource.Record?.RestedOn.Where(r => r.DestinationId == destinationId && r.Generation == generation).Select(r => (Lsn?)r.Position).FirstOrDefault();

    /// <summary>Requests that are being carried out.</summary>
    public ResyncOrders Orders { get; } = new();

    /// <summary>
    /// The open resyncs of the pipeline began with this incarnation, and nothing has been brought for them yet: a slot that is not whole may be made anew.
    /// </summary>
    public bool ResyncsAreFresh { get; set; }

    /// <summary>Orders to read the source's catalog that are being carried out.</summary>
    public RefreshOrders Refreshes { get; } = new();

    public void Dispose()
    {
        // Whoever listens may have a server to tell.
        _ = _ended.CancelAsync();
        Hub.Dispose();
    }
}
