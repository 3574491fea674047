using System.Collections.Immutable;

namespace Rosetta.Store.Jobs;

/// <summary>A row of <c>queue_backfill_data</c>: rows of a table to be brought again from the source, and how far that is.</summary>
/// <param name="DestinationIds">Null: all that the pipeline has when the job begins.</param>
/// <param name="TableName">As it was written.</param>
/// <param name="Filters">A JSON list.</param>
/// <param name="BatchSize">Rows of a chunk, at most.</param>
/// <param name="CountRecord">Rows that every chosen destination has got.</param>
/// <param name="TotalRecord">Rows there were at its start; null before they are counted.</param>
/// <param name="Progress">In percent.</param>
/// <param name="ResumeAttempts">How often another incarnation went on with it.</param>
public sealed record BackfillJob(
    long Id, long PipelineId, ImmutableArray<long>? DestinationIds, string TableName, string Filters, int BatchSize, string Status, long CountRecord,
    long? TotalRecord, double Progress, double? RowsPerSecond, int ResumeAttempts, string? ErrorMessage, bool IsCancelRequested, DateTime CreatedAt,
    DateTime? StartedAt, DateTime? FinishedAt)
{
    public bool IsOpen => Status is "PENDING" or "EXECUTING";
}

/// <summary>What the node that carries a job out writes into its row.</summary>
/// <param name="Status">PENDING, EXECUTING, COMPLETED, FAILED or CANCELLED.</param>
public sealed record BackfillProgressRow(
    long JobId, long PipelineId, string Status, long CountRecord, long? TotalRecord, double Progress, double? RowsPerSecond, int ResumeAttempts, string? Error);
