using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using Rosetta.Actors.Replication;
using Rosetta.Core.Spill;
using Rosetta.Core.Tables;
using Rosetta.Store.Jobs;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Requests;

namespace Rosetta.Actors.Pipelines;

/// <content>What the entity tells itself; stale generations are ignored.</content>
public sealed partial class PipelineActor
{
    enum Phase
    {
        Idle,
        Loading,
        Running,
        Stopping,
    }

    /// <summary>What follows a stop.</summary>
    enum After
    {
        /// <summary>Start again, with a new epoch.</summary>
        Load,

        /// <summary>End until the next command.</summary>
        Passivate,

        /// <summary>End: the shard moves.</summary>
        Stop,
    }

    abstract record Own : INoSerializationVerificationNeeded, IDeadLetterSuppression;

    sealed record Loaded(int Generation, PipelineDefinition? Definition, long Epoch, ImmutableArray<PipelineRequest> Requests, bool ResyncsAreFresh = false) : Own
    {
        /// <summary>What is spilled of its destinations.</summary>
        public IReadOnlyList<SpillExtent> Spilled { get; init; } = [];
    }

    sealed record SpillWanted(long Epoch, IReadOnlyList<long> Destinations) : Own;

    sealed record LeftoversRemoved(long Epoch, long Parts, Exception? Error) : Own;

    sealed record LoadFailed(int Generation, Exception Error) : Own;

    sealed record Reloaded(int Generation, PipelineDefinition? Definition, Exception? Error) : Own;

    sealed record RequestsFound(int Generation, ImmutableArray<PipelineRequest> Requests) : Own;

    sealed record RequestFinished(long Epoch, long RequestId, Exception? Error) : Own;

    sealed record ResyncsReopened(long Epoch, Exception? Error) : Own;

    sealed record TableOrderDone(long Epoch, long DestinationId, TableName Table, ResyncOrder Order, string? Error) : Own;

    sealed record Refreshed(long Epoch, IReadOnlyList<long> Requests) : Own;

    sealed record PlansChanged(long Epoch, IReadOnlyList<long> Destinations) : Own;

    sealed record Reported(long Epoch, bool Accepted, Exception? Error) : Own;

    sealed record Retry : Own
    {
        public static readonly Retry Instance = new();
    }

    sealed record JobsFound(int Generation, ImmutableArray<BackfillJob>? Backfills, ImmutableArray<VerifyRun> Verifies, ImmutableArray<RecoveryOrder> Recoveries) : Own;

    sealed record JobTick : Own
    {
        public static readonly JobTick Instance = new();
    }

    sealed record ReportTick : Own
    {
        public static readonly ReportTick Instance = new();
    }
}
