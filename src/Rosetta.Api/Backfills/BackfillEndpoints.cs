using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Rosetta.Api.Access;
using Rosetta.Api.Bodies;
using Rosetta.Api.Documents;
using Rosetta.Api.Jobs;
using Rosetta.Api.Pipelines;
using Rosetta.Api.Problems;
using Rosetta.Core.Tables;
using Rosetta.Store;

namespace Rosetta.Api.Backfills;

/// <summary><c>/pipelines/{id}/backfill</c>: rows brought again from the source.</summary>
static class BackfillEndpoints
{
    public static void MapBackfills(this RouteGroupBuilder api)
    {
        var backfills = api.MapGroup("/pipelines/{id:long}/backfill").WithTags("Backfill");

        backfills.MapPost("/", StartAsync)
            .Describe(
                "Bring rows again from the source",
                "Those of a table that meet the filters, while its changes go on. Never overwrites a newer row, never brings back a deleted one. On a paused pipeline the job waits.")
            .NeedsRole(ApiRole.Operator).Takes<StartBackfill>().Gives<BackfillAnswer>(StatusCodes.Status202Accepted).Refuses(404, 409, 503);

        backfills.MapGet("/", async (long id, PageQuery page, ConfigStore store, CancellationToken cancellationToken) =>
            {
                if (await store.Pipelines.FindAsync(id, cancellationToken) is null) return PipelineReader.NoPipeline(id);
                var found = await store.Backfills.ListAsync(id, page.Limit, page.Offset, cancellationToken);
                return TypedResults.Ok(new ListAnswer<BackfillAnswer>([.. found.Items.Select(BackfillAnswer.From)], found.Total));
            })
            .Describe("List the backfill jobs, newest first").Paged().Gives<ListAnswer<BackfillAnswer>>().Refuses(404, 422);

        backfills.MapGet("/{jobId:long}", async (long id, long jobId, ConfigStore store, CancellationToken cancellationToken) =>
                await store.Backfills.FindAsync(id, jobId, cancellationToken) is { } job ? TypedResults.Ok(BackfillAnswer.From(job)) : NoJob(id, jobId))
            .Describe("Show a backfill job").Gives<BackfillAnswer>().Refuses(404);

        backfills.MapPost("/{jobId:long}/cancel", CancelAsync)
            .Describe("Cancel a backfill job", "The batch at hand is finished or, when that takes longer than a moment, called off as a whole; what has been brought stays.").NeedsRole(ApiRole.Operator)
            .Gives<BackfillAnswer>().Refuses(404, 409);
    }

    static async Task<IResult> StartAsync(long id, Body<StartBackfill> body, HttpContext context, ConfigStore store, CancellationToken cancellationToken)
    {
        if (await store.Pipelines.FindAsync(id, cancellationToken) is not { } pipeline) return PipelineReader.NoPipeline(id);
        if (pipeline.Destinations.Length == 0) return Problem.Conflict($"Pipeline '{pipeline.Name}' has no destination to fill. Attach one first.");
        await BackfillChecks.CheckAsync(pipeline, body.Value, cancellationToken);
        var added = await store.Backfills.AddAsync(
            id, TableName.Parse(body.Value.TableName).ToString(), body.Value.DestinationIds?.Distinct().ToList(), JsonSerializer.Serialize(body.Value.Filters ?? []),
            body.Value.BatchSize, AccessControl.CallerOf(context).Name, cancellationToken);
        return added.Answer(job => TypedResults.Accepted($"/api/v1/pipelines/{id}/backfill/{job.Id}", BackfillAnswer.From(job)));
    }

    static async Task<IResult> CancelAsync(long id, long jobId, ConfigStore store, TimeProvider time, CancellationToken cancellationToken)
    {
        if (await store.Backfills.CancelAsync(id, jobId, cancellationToken) is null)
        {
            return await store.Backfills.FindAsync(id, jobId, cancellationToken) is { } ended
                ? Problem.Conflict($"Backfill {jobId} has ended already: it is {ended.Status}.")
                : NoJob(id, jobId);
        }

        var job = await JobEnd.WaitAsync(() => store.Backfills.FindAsync(id, jobId, cancellationToken), j => j.IsOpen, time, cancellationToken);
        return job is null ? NoJob(id, jobId) : TypedResults.Ok(BackfillAnswer.From(job));
    }

    static IResult NoJob(long id, long jobId) => Problem.NotFound($"Pipeline {id} has no backfill {jobId}. GET /api/v1/pipelines/{id}/backfill lists them.");
}
