using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Rosetta.Api.Access;
using Rosetta.Api.Backfills;
using Rosetta.Api.Bodies;
using Rosetta.Api.Documents;
using Rosetta.Api.Pipelines;
using Rosetta.Api.Problems;
using Rosetta.Core.Pipelines;
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
            .Describe("Compare tables with their source", "While they stream, each range of keys in its place in the stream; differing rows are named. On a paused pipeline the run waits, and says so.")
            .NeedsRole(ApiRole.Operator).Takes<StartVerify>(optional: true).Gives<VerifyStartedAnswer>(StatusCodes.Status202Accepted).Refuses(404, 409);

        verify.MapGet("/{runId:long}", async (long id, long runId, ConfigStore store, CancellationToken cancellationToken) =>
                await store.Verifies.FindAsync(id, runId, cancellationToken) is { } found
                    ? TypedResults.Ok(VerifyAnswer.From(found.Run, found.Results, found.Run.IsOpen ? await WaitingForAsync(id, store, cancellationToken) : null))
                    : Problem.NotFound($"Pipeline {id} has no verify run {runId}."))
            .Describe("Show what a comparison has found").Gives<VerifyAnswer>().Refuses(404);
    }

    /// <summary>Why a comparison cannot get on at the moment: its pipeline does not run.</summary>
    static async Task<string?> WaitingForAsync(long id, ConfigStore store, CancellationToken cancellationToken)
    {
        if (await store.Pipelines.FindAsync(id, cancellationToken) is not { } pipeline) return null;
        if (pipeline.Status == PipelineStatus.Pause) return $"The pipeline is paused; the comparison is made when it runs: POST /api/v1/pipelines/{id}/start.";
        var runtime = (await PipelineReader.ReadAsync(store, pipeline, cancellationToken)).Runtime;
        return runtime.State is "RUNNING" or "DEGRADED" or "SNAPSHOTTING" ? null
            : string.Join(' ', new[] { $"The pipeline is {runtime.State}; the comparison goes on when it streams.", runtime.LastError, runtime.Remedy }.Where(t => t is not null));
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
