using Microsoft.AspNetCore.Http;
using Rosetta.Api.Access;
using Rosetta.Api.Bodies;
using Rosetta.Api.Problems;
using Rosetta.Api.Verification;
using Rosetta.Core.Pipelines;
using Rosetta.Store;
using Rosetta.Store.Pipelines;

namespace Rosetta.Api.Pipelines;

/// <summary>
/// What a resync would write, without writing: a comparison, whose missing rows it would insert, whose differing ones it would update, and whose extra ones it
/// would delete.
/// </summary>
static class ResyncDryRun
{
    public const string Query = "dry_run";

    public const string QueryDescription = "true: nothing is written; the answer is a comparison (run_id of .../verify) that shows what would be inserted (missing), updated (differing) and deleted (extra).";

    public static bool IsAsked(HttpContext context)
    {
        if (!context.Request.Query.TryGetValue(Query, out var value)) return false;
        if (bool.TryParse(value, out var asked)) return asked;
        var errors = new FieldErrors();
        errors.Add(Query, "must be true or false");
        errors.ThrowIfAny("query");
        return false;
    }

    public static async Task<IResult> StartAsync(
        PipelineDefinition pipeline, IReadOnlyList<string>? tables, IReadOnlyList<long>? destinationIds, HttpContext context, ConfigStore store, CancellationToken cancellationToken)
    {
        var statuses = await store.Status.ReadAsync([pipeline.Id], cancellationToken);
        var runtime = PipelineViews.Runtime(pipeline.Status, statuses.GetValueOrDefault(pipeline.Id)?.Runtime);
        if (pipeline.Status == PipelineStatus.Pause || runtime.State is "ERROR" or "STOPPED")
        {
            return Problem.Conflict(
                $"Pipeline '{pipeline.Name}' is {runtime.State}: a dry run compares rows in their place in the stream, so it has to stream. "
                + (pipeline.Status == PipelineStatus.Pause ? $"Start it first: POST /api/v1/pipelines/{pipeline.Id}/start." : $"{runtime.LastError} {runtime.Remedy}"));
        }

        var added = await store.Verifies.AddAsync(pipeline.Id, tables, destinationIds, false, AccessControl.CallerOf(context).Name, cancellationToken);
        return added.Answer(run => TypedResults.Accepted($"/api/v1/pipelines/{pipeline.Id}/verify/{run.Id}", new VerifyStartedAnswer(run.Id)));
    }
}
