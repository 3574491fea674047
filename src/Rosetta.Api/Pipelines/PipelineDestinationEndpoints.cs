using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Rosetta.Api.Access;
using Rosetta.Api.Bodies;
using Rosetta.Api.Documents;
using Rosetta.Api.Presets;
using Rosetta.Api.Problems;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Tables;
using Rosetta.Store;
using Rosetta.Store.Pipelines;

namespace Rosetta.Api.Pipelines;

/// <summary><c>/pipelines/{id}/destinations</c>: where a pipeline's changes go, and which tables.</summary>
static class PipelineDestinationEndpoints
{
    public static void MapPipelineDestinations(this RouteGroupBuilder api)
    {
        var destinations = api.MapGroup("/pipelines/{id:long}/destinations").WithTags("Pipeline destinations");

        destinations.MapPost("/", AttachAsync)
            .Describe("Attach a destination", "Also while the pipeline runs: it gets its own snapshot and joins.")
            .Takes<AttachDestination>().Gives<PipelineAnswer>(StatusCodes.Status201Created).Refuses(404, 409);

        destinations.MapDelete("/{destinationId:long}", async (long id, long destinationId, ConfigStore store, CancellationToken cancellationToken) =>
                (await store.PipelineDestinations.DetachAsync(id, destinationId, cancellationToken)).Answer(_ => TypedResults.NoContent()))
            .Describe("Detach a destination", "The slot no longer waits for it. Its tables stay as they are.").GivesNothing().Refuses(404, 409);

        destinations.MapGet("/{destinationId:long}/metadata", async (long id, long destinationId, ConfigStore store, CancellationToken cancellationToken) =>
            {
                if (await store.Pipelines.FindAsync(id, cancellationToken) is not { } pipeline) return PipelineReader.NoPipeline(id);
                var answer = await PipelineReader.ReadAsync(store, pipeline, cancellationToken);
                return answer.Destinations.FirstOrDefault(d => d.DestinationId == destinationId) is { } destination
                    ? TypedResults.Ok(destination)
                    : PipelineReader.NoDestination(id, destinationId);
            })
            .Describe("Show how a destination of a pipeline is").Gives<PipelineDestinationAnswer>().Refuses(404);

        destinations.MapGet("/{destinationId:long}/tables", async (long id, long destinationId, ConfigStore store, CancellationToken cancellationToken) =>
                await store.Pipelines.FindAsync(id, cancellationToken) is { } pipeline ? Tables(pipeline, destinationId) : PipelineReader.NoPipeline(id))
            .Describe("Show the choice of tables").Gives<TableSyncsAnswer>().Refuses(404);

        destinations.MapPut("/{destinationId:long}/tables", ReplaceAsync)
            .Describe("Replace the choice of tables", "An empty list means every user table; with preset_id the tables of a preset are copied. A started pipeline follows: what alters a table copies that table anew, the others go on.")
            .Takes<ReplaceTableSyncs>().Gives<TableSyncsAnswer>().Refuses(404, 409);

        destinations.MapPost("/{destinationId:long}/tables/{table}/resync", PipelineRequests.ResyncTableAsync)
            .Describe("Make a table equal again", "The table is schema.table, percent-encoded. Only what differs is written, and what only the destination has is deleted.")
            .HasPath("table", "schema.table").HasQuery(ResyncDryRun.Query, ResyncDryRun.QueryDescription, "boolean").NeedsRole(ApiRole.Operator)
            .Gives<TableAnswer>(StatusCodes.Status202Accepted).Refuses(404, 409);

        destinations.MapPost("/{destinationId:long}/tables/{table}/pause", PipelineRequests.PauseTableAsync)
            .Describe("Stop a table at a destination", "Its changes pass it by until it is resumed; the other tables go on.")
            .HasPath("table", "schema.table").NeedsRole(ApiRole.Operator)
            .Gives<TableAnswer>(StatusCodes.Status202Accepted).Refuses(404, 409);

        destinations.MapPost("/{destinationId:long}/tables/{table}/resume", PipelineRequests.ResumeTableAsync)
            .Describe("Let a paused table, or one in ERROR, go on", "By a resync, which brings what has passed it by.")
            .HasPath("table", "schema.table").NeedsRole(ApiRole.Operator)
            .Gives<TableAnswer>(StatusCodes.Status202Accepted).Refuses(404, 409);

        destinations.MapPost("/{destinationId:long}/tables/{table}/preview", PreviewEndpoint.RunAsync)
            .Describe("Show what a filter and custom SQL make of a table", "On the first rows of the source; nothing is saved. The table is schema.table, percent-encoded.")
            .HasPath("table", "schema.table").Takes<PreviewTransform>().Gives<PreviewAnswer>().Refuses(404, 503);
    }

    static async Task<IResult> AttachAsync(long id, Body<AttachDestination> body, ConfigStore store, CancellationToken cancellationToken)
    {
        if (await store.Pipelines.FindAsync(id, cancellationToken) is not { } pipeline) return PipelineReader.NoPipeline(id);
        var syncs = await TableChoices.ReadAsync(store, body.Value.TableSyncs, body.Value.PresetId, cancellationToken);
        var warnings = await TableSyncChecks.CheckAsync(pipeline.Source, syncs, cancellationToken);
        await TargetChecks.CheckAsync(store, id, body.Value.DestinationId, syncs, cancellationToken);
        var snapshot = body.Value.Snapshot == "none" ? SnapshotChoice.None : SnapshotChoice.Initial;
        return await (await store.PipelineDestinations.AttachAsync(id, body.Value.DestinationId, snapshot, syncs, cancellationToken)).AnswerAsync(
            store, answer => TypedResults.Created($"/api/v1/pipelines/{id}/destinations/{body.Value.DestinationId}/metadata", answer with { Warnings = warnings }), cancellationToken,
            "destination_id");
    }

    static async Task<IResult> ReplaceAsync(
        long id, long destinationId, Body<ReplaceTableSyncs> body, ConfigStore store, CancellationToken cancellationToken)
    {
        if (await store.Pipelines.FindAsync(id, cancellationToken) is not { } pipeline) return PipelineReader.NoPipeline(id);
        var syncs = await TableChoices.ReadAsync(store, body.Value.TableSyncs, body.Value.PresetId, cancellationToken);
        var warnings = await TableSyncChecks.CheckAsync(pipeline.Source, syncs, cancellationToken);
        await TargetChecks.CheckAsync(store, id, destinationId, syncs, cancellationToken);
        var saved = await store.PipelineDestinations.ReplaceTableSyncsAsync(id, destinationId, syncs, cancellationToken);
        var resyncing = saved.IsSaved ? await ResyncingAsync(store, pipeline, destinationId, syncs, cancellationToken) : null;
        return saved.Answer(now => Tables(now, destinationId, resyncing, warnings));
    }

    /// <summary>The tables that a started pipeline copies anew because their choice says something else than before.</summary>
    static async Task<IReadOnlyList<string>> ResyncingAsync(
        ConfigStore store, PipelineDefinition before, long destinationId, IReadOnlyList<TableSync> now, CancellationToken cancellationToken)
    {
        if (before.Status != PipelineStatus.Start || before.Destinations.FirstOrDefault(d => d.Destination.Id == destinationId) is not { } attached) return [];
        var status = (await store.Status.ReadAsync([before.Id], cancellationToken))[before.Id].Destinations.GetValueOrDefault(destinationId);
        var (was, wanted) = (attached.TableSyncs.Select(t => t.ToChoice()).ToList(), now.Select(t => t.ToChoice()).ToList());
        var schema = attached.Destination.Config.Text("schema");
        return
        [
            .. (status?.Tables ?? []).Where(t => t.State is not "EXCLUDED" and not "PENDING" && TableName.TryParse(t.TableName, out var name)
                && TablePlanner.RouteOf(was, name, schema) is { } old && TablePlanner.RouteOf(wanted, name, schema) is { } route && !route.IsSameAs(old))
                .Select(t => t.TableName),
        ];
    }

    static IResult Tables(
        PipelineDefinition pipeline, long destinationId, IReadOnlyList<string>? resyncing = null, IReadOnlyList<string>? warnings = null) =>
        pipeline.Destinations.FirstOrDefault(d => d.Destination.Id == destinationId) is { } attached
            ? TypedResults.Ok(new TableSyncsAnswer([.. attached.TableSyncs.Select(TableSyncChecks.ToBody)], resyncing, warnings))
            : PipelineReader.NoDestination(pipeline.Id, destinationId);
}
