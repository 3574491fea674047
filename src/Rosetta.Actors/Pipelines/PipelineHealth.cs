using Rosetta.Core.Errors;
using Rosetta.Core.Pipelines;

namespace Rosetta.Actors.Pipelines;

/// <summary>What decides a pipeline's state.</summary>
/// <param name="SourceReady">The source has been taken over.</param>
/// <param name="SourceFault">Why the source's side does not run; null when it does.</param>
/// <param name="Destinations">Per destination: its health, whether it has ever streamed, whether something of it is in ERROR (a table; the store of its dead letters), its fault.</param>
public sealed record PipelineCondition(
    bool Running, bool Stopping, bool SourceReady, Fault? SourceFault, IReadOnlyList<DestinationCondition> Destinations);

public sealed record DestinationCondition(DestinationHealth Health, bool Streams, bool PartInError, Fault? Fault);

/// <summary>The state of a pipeline from the condition of its parts: the first that fits. Pure.</summary>
public static class PipelineHealth
{
    public static (PipelineState State, Fault? Fault) Of(PipelineCondition now)
    {
        if (!now.Running)
            return (PipelineState.Stopped, null);
        if (now.Stopping)
            return (PipelineState.Stopping, null);
        if (now.SourceFault is { } fault)
            return (fault.Class is ErrorClass.Transient ? PipelineState.Retrying : PipelineState.Error, fault);
        if (!now.SourceReady)
            return (PipelineState.Starting, null);
        if (now.Destinations.Count > 0 && now.Destinations.All(d => d.Fault is { IsGap: true }))
            return (PipelineState.Error, now.Destinations[0].Fault);
        if (!now.Destinations.Any(d => d.Streams))
            return (PipelineState.Snapshotting, null);
        return now.Destinations.Any(NotFine) ? (PipelineState.Degraded, null) : (PipelineState.Running, null);
    }

    static bool NotFine(DestinationCondition destination) =>
        destination.PartInError || destination.Health is not (DestinationHealth.Healthy or DestinationHealth.Snapshotting);
}
