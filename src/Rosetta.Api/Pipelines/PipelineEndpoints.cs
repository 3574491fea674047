using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Rosetta.Api.Access;
using Rosetta.Api.Bodies;
using Rosetta.Api.Documents;
using Rosetta.Core.Pipelines;
using Rosetta.Store;

namespace Rosetta.Api.Pipelines;

/// <summary><c>/pipelines</c>: what is replicated, and how it goes.</summary>
static class PipelineEndpoints
{
    public static void MapPipelines(this RouteGroupBuilder api)
    {
        var pipelines = api.MapGroup("/pipelines").WithTags("Pipelines");

        pipelines.MapPost("/", async (Body<CreatePipeline> body, ConfigStore store, CancellationToken cancellationToken) =>
                await (await store.Pipelines.AddAsync(body.Value.Name, body.Value.SourceId, cancellationToken)).AnswerAsync(
                    store, pipeline => TypedResults.Created($"/api/v1/pipelines/{pipeline.Id}", pipeline), cancellationToken, "source_id"))
            .Describe("Add a pipeline", "It is paused until it is started.")
            .Takes<CreatePipeline>().Gives<PipelineAnswer>(StatusCodes.Status201Created).Refuses(409);

        pipelines.MapGet("/", async (PageQuery page, ConfigStore store, CancellationToken cancellationToken) =>
            {
                var found = await store.Pipelines.ListAsync(page.Limit, page.Offset, cancellationToken);
                return TypedResults.Ok(new ListAnswer<PipelineAnswer>(await PipelineReader.ReadAsync(store, found, cancellationToken), found.Total));
            })
            .Describe("List the pipelines").Paged().Gives<ListAnswer<PipelineAnswer>>().Refuses(422);

        pipelines.MapGet("/{id:long}", async (long id, ConfigStore store, CancellationToken cancellationToken) =>
                await store.Pipelines.FindAsync(id, cancellationToken) is { } pipeline
                    ? TypedResults.Ok(await PipelineReader.ReadAsync(store, pipeline, cancellationToken))
                    : PipelineReader.NoPipeline(id))
            .Describe("Show a pipeline, with its state, its destinations and their tables").Gives<PipelineAnswer>().Refuses(404);

        pipelines.MapPut("/{id:long}", async (long id, Body<ChangePipeline> body, ConfigStore store, CancellationToken cancellationToken) =>
                await (await store.Pipelines.ChangeAsync(id, body.Value.Name, body.Value.SourceId, cancellationToken)).AnswerAsync(
                    store, TypedResults.Ok, cancellationToken))
            .Describe("Rename a pipeline").Takes<ChangePipeline>().Gives<PipelineAnswer>().Refuses(404, 409);

        pipelines.MapDelete("/{id:long}", PipelineRemoval.RemoveAsync)
            .Describe(
                "Delete a paused pipeline",
                "Its slot, and the publications it made, are dropped at the source; with the source away that is refused, unless force is true: "
                + "then a notification names the slot that is left.")
            .HasQuery("force", "true: delete it although the slot cannot be dropped.", "boolean").GivesNothing().Refuses(404, 409, 422);

        pipelines.MapPost("/{id:long}/start", (long id, ConfigStore store, CancellationToken cancellationToken) =>
                SetStatusAsync(id, PipelineStatus.Start, store, cancellationToken))
            .Describe("Start a pipeline", "Answers at once; runtime.state shows how it goes.").NeedsRole(ApiRole.Operator)
            .Gives<PipelineAnswer>().Refuses(404, 409);

        pipelines.MapPost("/{id:long}/pause", (long id, ConfigStore store, CancellationToken cancellationToken) =>
                SetStatusAsync(id, PipelineStatus.Pause, store, cancellationToken))
            .Describe("Pause a pipeline", "Answers at once; its slot goes on holding WAL at the source.").NeedsRole(ApiRole.Operator)
            .Gives<PipelineAnswer>().Refuses(404);

        pipelines.MapPost("/{id:long}/refresh", PipelineRequests.RefreshAsync)
            .Describe("Read the source's catalog again", "New tables appear as PENDING. On a paused pipeline it only re-reads.").NeedsRole(ApiRole.Operator)
            .Gives<PipelineAnswer>().Refuses(404);

        pipelines.MapPost("/{id:long}/resync", PipelineRequests.ResyncAsync)
            .Describe("Make every table equal again", "By difference, while it streams; with a new slot if the old one is lost. Only what differs is written, and what only the destination has is deleted.")
            .HasQuery(ResyncDryRun.Query, ResyncDryRun.QueryDescription, "boolean").NeedsRole(ApiRole.Operator)
            .Takes<ResyncPipeline>(optional: true).Gives<PipelineAnswer>(StatusCodes.Status202Accepted).Refuses(404, 409);

        pipelines.MapGet("/{id:long}/requests/{requestId:long}", PipelineRequests.ShowAsync)
            .Describe("Show how far a resync is", "By the request_id of the answer that accepted it.").Gives<RequestAnswer>().Refuses(404);

        pipelines.MapGet("/{id:long}/events", PipelineEvents.StreamAsync)
            .Describe("Follow a pipeline", "Server-sent events named pipeline; the data is the pipeline, whenever it changes.")
            .Gives<PipelineAnswer>(contentType: "text/event-stream").Refuses(404);
    }

    static async Task<IResult> SetStatusAsync(long id, PipelineStatus status, ConfigStore store, CancellationToken cancellationToken) =>
        await (await store.Pipelines.SetStatusAsync(id, status, cancellationToken)).AnswerAsync(store, TypedResults.Ok, cancellationToken);
}
