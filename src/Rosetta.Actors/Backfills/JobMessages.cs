using Akka.Actor;
using Akka.Event;
using Rosetta.Core.Destinations;

namespace Rosetta.Actors.Backfills;

/// <summary>What a pipeline's entity and the actors of its jobs tell each other.</summary>
public static class JobMessages
{
    /// <summary>To the entity: a job has begun and wants to know the destinations.</summary>
    public sealed record WhichLanes : INoSerializationVerificationNeeded
    {
        public static readonly WhichLanes Instance = new();
    }

    /// <summary>To a job, also whenever they change: the pipeline's destinations; null for one that is not attached at the moment.</summary>
    public sealed record Lanes(IReadOnlyDictionary<long, IActorRef?> Destinations) : INoSerializationVerificationNeeded, IDeadLetterSuppression;

    /// <summary>To a job: end after the chunk at hand.</summary>
    public sealed record Cancel : INoSerializationVerificationNeeded, IDeadLetterSuppression
    {
        public static readonly Cancel Instance = new();
    }
}

/// <summary>What the jobs of one incarnation of a pipeline work with.</summary>
/// <param name="Schema">The source's catalog.</param>
public sealed record JobHost(long PipelineId, long Epoch, ISourceSchema Schema, TimeProvider Time);
