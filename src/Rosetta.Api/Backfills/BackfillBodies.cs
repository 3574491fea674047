using System.Text.Json;
using FluentValidation;
using Rosetta.Store.Jobs;

namespace Rosetta.Api.Backfills;

/// <summary>Body of <c>POST /pipelines/{id}/backfill</c>.</summary>
/// <param name="TableName">schema.table as in the catalog; public without a schema.</param>
/// <param name="DestinationIds">Null: all destinations of the pipeline.</param>
/// <param name="BatchSize">Rows of a batch, at most.</param>
/// <param name="Filters">At most 5, joined by AND: "column operator literal", or an object of column, operator and value.</param>
public sealed record StartBackfill(
    string TableName, IReadOnlyList<long>? DestinationIds = null, int BatchSize = 10_000, IReadOnlyList<JsonElement>? Filters = null);

sealed class StartBackfillValidator : AbstractValidator<StartBackfill>
{
    public StartBackfillValidator()
    {
        RuleFor(b => b.TableName).Must(t => t.Length <= 400 && Core.Tables.TableName.TryParse(t, out _))
            .WithMessage("must be schema.table; a part that contains . \" or * is written in double quotes");
        RuleFor(b => b.BatchSize).InclusiveBetween(1, 1_000_000).WithMessage("must be from 1 to 1000000");
        RuleFor(b => b.DestinationIds).Must(ids => ids is null || ids.Count > 0).WithMessage("must be null (all destinations) or name at least one");
    }
}

/// <summary>A backfill job.</summary>
/// <param name="DestinationIds">Null: all that the pipeline has when the job begins.</param>
/// <param name="CountRecord">Rows that every chosen destination has got.</param>
/// <param name="TotalRecord">Rows there were at its start; null before they are counted.</param>
/// <param name="Progress">0 to 100.</param>
/// <param name="EstimatedSecondsLeft">At the present rate; null when it does not run.</param>
/// <param name="ResumeAttempts">How often another node, or the same one after a stop, went on with it.</param>
public sealed record BackfillAnswer(
    long Id, string TableName, IReadOnlyList<long>? DestinationIds, JsonElement Filters, int BatchSize, string Status, long CountRecord, long? TotalRecord,
    double Progress, double? RowsPerSecond, double? EstimatedSecondsLeft, int ResumeAttempts, string? ErrorMessage, DateTime CreatedAt, DateTime? StartedAt,
    DateTime? FinishedAt)
{
    internal static BackfillAnswer From(BackfillJob job) => new(
        job.Id, job.TableName, job.DestinationIds, JsonSerializer.Deserialize<JsonElement>(job.Filters), job.BatchSize, job.Status, job.CountRecord, job.TotalRecord,
        job.Progress, job.RowsPerSecond,
        job is { Status: "EXECUTING", TotalRecord: { } total, RowsPerSecond: > 0 and var rate } ? Math.Round(Math.Max(0, total - job.CountRecord) / rate, 1) : null,
        job.ResumeAttempts, job.ErrorMessage, job.CreatedAt, job.StartedAt, job.FinishedAt);
}
