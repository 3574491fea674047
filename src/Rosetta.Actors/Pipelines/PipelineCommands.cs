using Akka.Actor;
using Akka.Event;
using Rosetta.Actors.Cluster.Serialization;

namespace Rosetta.Actors.Pipelines;

/// <summary>What the config poller and the shards tell a pipeline's entity.</summary>
public static class PipelineCommands
{
    /// <summary>The pipeline is to run, at least with this version of its configuration. Idempotent.</summary>
    public sealed record EnsureRunning(long PipelineId, long ConfigVersion) : IPipelineMessage, IRosettaWireMessage;

    /// <summary>The pipeline is not to run. Idempotent; an entity that does nothing ends.</summary>
    public sealed record EnsureStopped(long PipelineId) : IPipelineMessage, IRosettaWireMessage;

    /// <summary>Requests wait in the config database.</summary>
    public sealed record LookForRequests(long PipelineId) : IPipelineMessage, IRosettaWireMessage;

    /// <summary>The shard moves or its node leaves: drain, release the slot, stop. Told on the node itself.</summary>
    public sealed class HandOff : IDeadLetterSuppression, INoSerializationVerificationNeeded, INotInfluenceReceiveTimeout
    {
        public static readonly HandOff Instance = new();

        HandOff()
        {
        }
    }
}
