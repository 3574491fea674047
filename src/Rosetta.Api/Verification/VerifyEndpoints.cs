using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Rosetta.Api.Access;
using Rosetta.Api.Backfills;
using Rosetta.Api.Bodies;
using Rosetta.Api.Documents;
using Rosetta.Api.Pipelines;
using Rosetta.Api.Problems;
using Rosetta.Core.Tables;
using Rosetta.Store;

namespace Rosetta.Api.Verification;

/// <summary><c>/pipelines/{id}/verify</c>: tables compared with their source while they stream.</summary>
static class VerifyEndpoints
{
    public static void MapVerify(this RouteGroupBuilder api)
    {
        var verify = api.MapGroup("/pipelines/{id:long}/verify").WithTags("Verify");

        verify.MapPost("/", StartAsync)
            .Describe("Compare tables with their source", "While they stream, row by row, each in its place in the stream. On a paused pipeline the run waits.")
            .NeedsRole(ApiRole.Operator).Takes<StartVerify>(optional: true).Gives<VerifyStartedAnswer>(StatusCodes.Status202Accepted).Refuses(404, 409);

        verify.MapGet("/{runId:long}", async (long id, long runId, ConfigStore store, CancellationToken cancellationToken) =>
                await store.Verifies.FindAsync(id, runId, cancellationToken) is { } found
                    ? TypedResults.Ok(VerifyAnswer.From(found.Run, found.Results))
                    : Problem.NotFound($"Pipeline {id} has no verify run {runId}."))
            .Describe("Show what a comparison has found").Gives<VerifyAnswer>().Refuses(404);
    }

    static async Task<IResult> StartAsync(long id, Body<StartVerify> body, HttpContext context, ConfigStore store, CancellationToken cancellationToken)
    {
        if (await store.Pipelines.FindAsync(id, cancellationToken) is not { } pipeline) return PipelineReader.NoPipeline(id);
        if (pipeline.Destinations.Length == 0) return Problem.Conflict($"Pipeline '{pipeline.Name}' has no destination to compare. Attach one first.");
        var errors = new FieldErrors();
        BackfillChecks.CheckDestinations(pipeline, body.Value.DestinationIds, errors);
        errors.ThrowIfAny("body");
        var added = await store.Verifies.AddAsync(
            id, body.Value.Tables?.Select(t => TableName.Parse(t).ToString()).Distinct().ToList(), body.Value.DestinationIds?.Distinct().ToList(), body.Value.Repair,
            AccessControl.CallerOf(context).Name, cancellationToken);
        return added.Answer(run => TypedResults.Accepted($"/api/v1/pipelines/{id}/verify/{run.Id}", new VerifyStartedAnswer(run.Id)));
    }
}
