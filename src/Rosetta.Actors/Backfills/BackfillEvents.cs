using Rosetta.Actors.Cluster.Serialization;

namespace Rosetta.Actors.Backfills;

/// <summary>The life of a job, as its journal holds it. Written bytes are read by later versions: manifests and fields are never renamed.</summary>
public static class BackfillEvents
{
    /// <summary>It is being carried out, at these destinations.</summary>
    public sealed record Started(long PipelineId, long JobId, IReadOnlyList<long> DestinationIds, DateTimeOffset At) : IRosettaWireMessage
    {
        public bool Equals(Started? other) =>
            other is not null && (PipelineId, JobId, At) == (other.PipelineId, other.JobId, other.At) && DestinationIds.SequenceEqual(other.DestinationIds);

        public override int GetHashCode() => HashCode.Combine(PipelineId, JobId, At);
    }

    /// <summary>Another incarnation goes on with it.</summary>
    public sealed record Resumed(long PipelineId, long JobId, DateTimeOffset At) : IRosettaWireMessage;

    /// <param name="Status">COMPLETED, FAILED or CANCELLED.</param>
    /// <param name="Error">Why it failed.</param>
    public sealed record Ended(long PipelineId, long JobId, string Status, string? Error, DateTimeOffset At) : IRosettaWireMessage;
}
