using System.Collections.Immutable;
using Rosetta.Core.Options;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Tables;
using Rosetta.Store.Destinations;
using Rosetta.Store.Sources;

namespace Rosetta.Store.Pipelines;

/// <summary>Everything that is asked of one pipeline, read in one snapshot. Two of the same <see cref="ConfigVersion"/> are the same.</summary>
/// <param name="ConfigVersion">Grows with each change of the pipeline, its source, its destinations or its tables, also by plain SQL.</param>
public sealed record PipelineDefinition(
    long Id,
    string Name,
    PipelineStatus Status,
    long ConfigVersion,
    SourceDefinition Source,
    ImmutableArray<PipelineDestination> Destinations,
    DateTime CreatedAt,
    DateTime UpdatedAt);

/// <summary>A destination as part of a pipeline.</summary>
/// <param name="Generation">Key of the position at the destination: new when attached, new again when the pipeline is resynced.</param>
/// <param name="TableSyncs">In the order they were given; empty means every user table.</param>
public sealed record PipelineDestination(
    DestinationDefinition Destination,
    SnapshotChoice Snapshot,
    Guid Generation,
    ImmutableArray<TableSync> TableSyncs)
{
    /// <summary>Tables that an operator has stopped here, in text form.</summary>
    public ImmutableArray<string> PausedTables { get; init; } = [];
}

/// <summary>Whether the tables of a newly attached destination are copied first.</summary>
public enum SnapshotChoice
{
    /// <summary>Copied, then followed.</summary>
    Initial,

    /// <summary>Changes only, from now on.</summary>
    None,
}

/// <summary>A choice of table, as in API.md: an exact name or a pattern (<c>sales.*</c>).</summary>
/// <param name="TableName">Text form of <see cref="Core.Tables.TableName"/>, or a pattern.</param>
/// <param name="TableNameTarget">Null: the same name. Without a schema: the destination's, or the source's.</param>
/// <param name="Columns">Null: all.</param>
/// <param name="Options">Null: none.</param>
public sealed record TableSync(
    string TableName,
    string? TableNameTarget = null,
    ImmutableArray<string>? Columns = null,
    string? FilterSql = null,
    string? CustomSql = null,
    bool Enabled = true,
    TableOptions? Options = null)
{
    /// <summary>Null when nothing is asked for.</summary>
    public TableOptions? Options { get; init; } = Options == TableOptions.None ? null : Options;

    public TableChoice ToChoice() => new(TableName, TableNameTarget, Columns, Enabled)
    {
        Transform = TransformChoice.Of(FilterSql, CustomSql), Options = Options ?? TableOptions.None,
    };

    /// <summary>Says the same; lists are compared by what is in them.</summary>
    public bool SaysTheSameAs(TableSync other) =>
        this with { Columns = null, Options = null } == other with { Columns = null, Options = null }
        && (Columns ?? []).SequenceEqual(other.Columns ?? []) && (Options ?? TableOptions.None) == (other.Options ?? TableOptions.None);
}

/// <summary>The short form that the config poller compares at every poll.</summary>
public sealed record PipelineSummary(long Id, string Name, PipelineStatus Status, long ConfigVersion);

/// <summary>A table that a pipeline chooses for a destination.</summary>
/// <param name="Pipeline">Name of the pipeline.</param>
/// <param name="TableName">As in <see cref="TableSync"/>.</param>
/// <param name="TableNameTarget">As in <see cref="TableSync"/>.</param>
public sealed record ChosenTable(long PipelineId, string Pipeline, string TableName, string? TableNameTarget, bool Enabled);
