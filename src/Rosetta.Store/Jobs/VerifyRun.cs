using System.Collections.Immutable;
using Rosetta.Core.Chunks;
using Rosetta.Core.Positions;

namespace Rosetta.Store.Jobs;

/// <summary>A row of <c>verify_runs</c>: a comparison of tables with their source.</summary>
/// <param name="Tables">Null: all that the destinations have when it begins.</param>
/// <param name="DestinationIds">Null: all of the pipeline.</param>
/// <param name="Repair">What differs is made equal.</param>
/// <param name="Status">PENDING, EXECUTING, COMPLETED or FAILED.</param>
public sealed record VerifyRun(
    long Id, long PipelineId, ImmutableArray<string>? Tables, ImmutableArray<long>? DestinationIds, bool Repair, string Status, string? Error, DateTime CreatedAt,
    DateTime? StartedAt, DateTime? FinishedAt)
{
    public bool IsOpen => Status is "PENDING" or "EXECUTING";
}

/// <summary>What was found of a table at a destination.</summary>
/// <param name="State">PENDING, COMPARING, EQUAL, DIFFERENT, REPAIRED or NOT_COMPARED.</param>
/// <param name="RowsCompared">Rows of the source.</param>
/// <param name="Differing">Rows with other values.</param>
/// <param name="Missing">Rows that only the source has.</param>
/// <param name="Extra">Rows that only the destination has.</param>
/// <param name="AsOfLsn">The lane's position at the last rows; null before any.</param>
/// <param name="Error">Why it could not be compared, or what it waits for.</param>
public sealed record VerifyResult(
    long DestinationId, string TableName, string State, long RowsCompared, long? RowsTotal, long Differing, long Missing, long Extra, Lsn? AsOfLsn, string? Error)
{
    /// <summary>Rows that were taken from the source to the destination; the others were compared by digests.</summary>
    public long RowsCarried { get; init; }

    /// <summary>Ranges that were compared by digests.</summary>
    public long Ranges { get; init; }

    /// <summary>The first rows that differ.</summary>
    public IReadOnlyList<DifferingKey> Keys { get; init; } = [];
}
