using System.Text.Json;

namespace Rosetta.Client.Answers;

/// <summary>A backfill job.</summary>
/// <param name="Status">PENDING, EXECUTING, COMPLETED, FAILED or CANCELLED.</param>
public sealed record Backfill(
    long Id,
    string TableName,
    IReadOnlyList<long>? DestinationIds,
    IReadOnlyList<JsonElement> Filters,
    string Status,
    long CountRecord,
    long? TotalRecord,
    double Progress,
    double? RowsPerSecond,
    double? EstimatedSecondsLeft,
    int ResumeAttempts,
    string? ErrorMessage,
    DateTimeOffset CreatedAt,
    DateTimeOffset? StartedAt,
    DateTimeOffset? FinishedAt)
{
    public bool IsOpen => Status is "PENDING" or "EXECUTING";
}
