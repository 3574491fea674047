using FluentValidation;
using Rosetta.Core.Chunks;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Store.Jobs;

namespace Rosetta.Api.Verification;

/// <summary>Body of <c>POST /pipelines/{id}/verify</c>.</summary>
/// <param name="Tables">Null: all that the destinations have.</param>
/// <param name="DestinationIds">Null: all destinations of the pipeline.</param>
/// <param name="Repair">What differs is made equal.</param>
public sealed record StartVerify(IReadOnlyList<string>? Tables = null, IReadOnlyList<long>? DestinationIds = null, bool Repair = false);

sealed class StartVerifyValidator : AbstractValidator<StartVerify>
{
    public StartVerifyValidator()
    {
        RuleFor(v => v.Tables).Must(t => t is null || (t.Count > 0 && t.All(n => n.Length <= 400 && TableName.TryParse(n, out _))))
            .WithMessage("must be null (all tables) or a list of schema.table");
        RuleFor(v => v.DestinationIds).Must(ids => ids is null || ids.Count > 0).WithMessage("must be null (all destinations) or name at least one");
    }
}

/// <summary>A comparison was asked for.</summary>
public sealed record VerifyStartedAnswer(long RunId);

/// <summary>A comparison of tables with their source.</summary>
/// <param name="Status">PENDING, EXECUTING, COMPLETED or FAILED.</param>
/// <param name="Equal">Null before its end; true when every table is equal, or has been made so.</param>
/// <param name="Waiting">Why an open run does not get on at the moment, and what to do; null when it does.</param>
public sealed record VerifyAnswer(
    long RunId, string Status, bool Repair, bool? Equal, string? Waiting, string? Error, DateTime CreatedAt, DateTime? StartedAt, DateTime? FinishedAt,
    IReadOnlyList<VerifiedTableAnswer> Tables)
{
    internal static VerifyAnswer From(VerifyRun run, IReadOnlyList<VerifyResult> results, string? waiting) => new(
        run.Id, run.Status, run.Repair, run.IsOpen ? null : run.Status == "COMPLETED" && results.All(r => r.State is "EQUAL" or "REPAIRED"), waiting, run.Error, run.CreatedAt,
        run.StartedAt, run.FinishedAt,
        [.. results.Select(r => new VerifiedTableAnswer(
            r.DestinationId, r.TableName, r.State, r.RowsCompared, r.RowsTotal, r.RowsCarried, r.Ranges, r.Differing, r.Missing, r.Extra, r.Keys,
            r.AsOfLsn, r.Error))]);
}

/// <summary>What was found of a table at a destination.</summary>
/// <param name="State">PENDING, COMPARING, EQUAL, DIFFERENT, REPAIRED or NOT_COMPARED.</param>
/// <param name="RowsCompared">Rows of the source.</param>
/// <param name="RowsCarried">Rows that were taken to the destination to be compared there; the others were compared by digests.</param>
/// <param name="Ranges">Ranges of keys that were compared by digests.</param>
/// <param name="Differing">Rows with other values.</param>
/// <param name="Missing">Rows that only the source has.</param>
/// <param name="Extra">Rows that only the destination has.</param>
/// <param name="Keys">The first 100 of them.</param>
/// <param name="AsOfLsn">The position of the destination at the last rows.</param>
/// <param name="Error">Why it could not be compared, or what it waits for.</param>
public sealed record VerifiedTableAnswer(
    long DestinationId, string Table, string State, long RowsCompared, long? RowsTotal, long RowsCarried, long Ranges, long Differing, long Missing, long Extra,
    IReadOnlyList<DifferingKey> Keys, Lsn? AsOfLsn, string? Error);
