using System.Collections.Immutable;

namespace Rosetta.Store.Requests;

public enum PipelineRequestKind
{
    /// <summary>Read the source's catalog again; new tables appear.</summary>
    Refresh,

    /// <summary>A new slot if the old one is lost, and every table of the destinations copied again.</summary>
    Resync,

    /// <summary>One table copied again.</summary>
    ResyncTable,
}

/// <summary>Something asked of a pipeline, kept until the node that runs it has done it.</summary>
/// <param name="DestinationIds">Null: all destinations.</param>
/// <param name="TableName">Text form of the table, only for <see cref="PipelineRequestKind.ResyncTable"/>.</param>
public sealed record PipelineRequest(
    long Id, long PipelineId, PipelineRequestKind Kind, ImmutableArray<long>? DestinationIds, string? TableName, DateTime RequestedAt);

/// <summary>How far a request is.</summary>
public sealed record PipelineRequestState(long Id, string State, string? Error, DateTime? FinishedAt)
{
    public bool IsOpen => State is "PENDING" or "EXECUTING";
}
