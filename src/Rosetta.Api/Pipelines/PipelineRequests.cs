using Microsoft.AspNetCore.Http;
using Rosetta.Api.Access;
using Rosetta.Api.Bodies;
using Rosetta.Api.Problems;
using Rosetta.Api.Sources;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;
using Rosetta.Store;
using Rosetta.Store.Requests;
using Rosetta.Store.Runtime;

namespace Rosetta.Api.Pipelines;

/// <summary>What is asked of whichever node runs the pipeline, through rows of <c>pipeline_requests</c>.</summary>
static class PipelineRequests
{
    /// <summary>How long a refresh waits for the pipeline's node to have re-read the catalog.</summary>
    static readonly TimeSpan RefreshPatience = TimeSpan.FromSeconds(25);

    static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(200);

    public static async Task<IResult> RefreshAsync(long id, HttpContext context, ConfigStore store, TimeProvider time, CancellationToken cancellationToken)
    {
        if (await store.Pipelines.FindAsync(id, cancellationToken) is not { } pipeline) return PipelineReader.NoPipeline(id);
        if (pipeline.Status == PipelineStatus.Pause)
        {
            // Nobody runs it: that the catalog can be read is all there is to find out.
            await SourceAccess.RunAsync(pipeline.Source, (database, token) => new SourceCatalog(database).ListAsync(null, token), cancellationToken);
            return TypedResults.Ok(await PipelineReader.ReadAsync(store, pipeline, cancellationToken));
        }

        var asked = await store.Requests.AddAsync(id, PipelineRequestKind.Refresh, null, null, AccessControl.CallerOf(context).Name, cancellationToken);
        if (!asked.IsSaved) return asked.Answer(_ => TypedResults.Ok());

        var started = time.GetTimestamp();
        using var timer = new PeriodicTimer(LookInterval, time);
        while (time.GetElapsedTime(started) < RefreshPatience && await timer.WaitForNextTickAsync(cancellationToken))
        {
            switch (await store.Requests.FindStateAsync(asked.Value!.Id, cancellationToken))
            {
                case null:
                    return PipelineReader.NoPipeline(id);
                case { State: "DONE" }:
                    return TypedResults.Ok(await PipelineReader.ReadAsync(store, pipeline, cancellationToken));
                case { State: "FAILED" } failed:
                    return Problem.Away(failed.Error ?? "The source's catalog could not be read.");
            }
        }

        return Problem.Away("The pipeline has not read the source's catalog yet: it may be starting, or its source may be away. It will as soon as it can.");
    }

    public static async Task<IResult> ResyncAsync(
        long id, Body<ResyncPipeline> body, HttpContext context, ConfigStore store, CancellationToken cancellationToken)
    {
        if (await store.Pipelines.FindAsync(id, cancellationToken) is not { } pipeline) return PipelineReader.NoPipeline(id);
        if (pipeline.Destinations.Length == 0) return Problem.Conflict($"Pipeline '{pipeline.Name}' has no destination to resync. Attach one first.");
        if (body.Value.DestinationIds is { } ids)
        {
            var attached = pipeline.Destinations.Select(d => d.Destination.Id).ToHashSet();
            if (ids.Count == 0) return Problem.Invalid("destination_ids", "must be null (all destinations) or name at least one");
            if (ids.Where(i => !attached.Contains(i)).Take(1).ToList() is [var unknown])
                return Problem.Invalid("destination_ids", $"pipeline {id} has no destination {unknown}");
        }

        if (ResyncDryRun.IsAsked(context)) return await ResyncDryRun.StartAsync(pipeline, null, body.Value.DestinationIds?.Distinct().ToList(), context, store, cancellationToken);
        var asked = await store.Requests.AddAsync(
            id, PipelineRequestKind.Resync, body.Value.DestinationIds?.Distinct().ToList(), null, AccessControl.CallerOf(context).Name, cancellationToken);
        var answer = asked.IsSaved ? await PipelineReader.ReadAsync(store, pipeline, cancellationToken) : null;
        return asked.Answer(request => TypedResults.Accepted($"/api/v1/pipelines/{id}", answer! with { RequestId = request.Id }));
    }

    public static async Task<IResult> ShowAsync(long id, long requestId, ConfigStore store, CancellationToken cancellationToken) =>
        await store.Requests.FindStateAsync(id, requestId, cancellationToken) is { } request
            ? TypedResults.Ok(new RequestAnswer(request.Id, request.State, request.Error, request.FinishedAt))
            : Problem.NotFound($"Pipeline {id} has no request {requestId}. Requests are kept for 30 days after their end.");

    public static Task<IResult> ResyncTableAsync(long id, long destinationId, HttpContext context, ConfigStore store, CancellationToken cancellationToken) =>
        WithTableAsync(id, destinationId, context, store, async (table, accepted) =>
        {
            if (ResyncDryRun.IsAsked(context))
            {
                return await store.Pipelines.FindAsync(id, cancellationToken) is { } pipeline
                    ? await ResyncDryRun.StartAsync(pipeline, [table.TableName], [destinationId], context, store, cancellationToken)
                    : PipelineReader.NoPipeline(id);
            }

            if (IsPaused(table)) return Problem.Conflict($"Table {table.TableName} is paused. Resume it: that copies it again.");
            var asked = await store.Requests.AddAsync(
                id, PipelineRequestKind.ResyncTable, [destinationId], table.TableName, AccessControl.CallerOf(context).Name, cancellationToken);
            return asked.Answer(request => accepted(table, request.Id));
        }, cancellationToken);

    public static Task<IResult> PauseTableAsync(long id, long destinationId, HttpContext context, ConfigStore store, CancellationToken cancellationToken) =>
        WithTableAsync(id, destinationId, context, store, async (table, accepted) =>
            (await store.PipelineDestinations.PauseTableAsync(id, destinationId, table.TableName, cancellationToken)).Answer(_ => accepted(table, null)), cancellationToken);

    public static Task<IResult> ResumeTableAsync(long id, long destinationId, HttpContext context, ConfigStore store, CancellationToken cancellationToken) =>
        WithTableAsync(id, destinationId, context, store, async (table, accepted) =>
        {
            var isPaused = await store.Pipelines.FindAsync(id, cancellationToken) is { } now
                && now.Destinations.FirstOrDefault(d => d.Destination.Id == destinationId)?.PausedTables.Contains(table.TableName) == true;
            if (!isPaused && table.State != "ERROR") return Problem.Conflict($"Table {table.TableName} is {table.State}: it is neither paused nor in ERROR.");
            var resumed = await store.PipelineDestinations.ResumeTableAsync(id, destinationId, table.TableName, AccessControl.CallerOf(context).Name, cancellationToken);
            return resumed.Answer(_ => accepted(table, null));
        }, cancellationToken);

    static bool IsPaused(TableView table) => table.State == "PAUSED";

    static async Task<IResult> WithTableAsync(
        long id, long destinationId, HttpContext context, ConfigStore store, Func<TableView, Func<TableView, long?, IResult>, Task<IResult>> act,
        CancellationToken cancellationToken)
    {
        if (await store.Pipelines.FindAsync(id, cancellationToken) is not { } pipeline) return PipelineReader.NoPipeline(id);
        if (pipeline.Destinations.All(d => d.Destination.Id != destinationId)) return PipelineReader.NoDestination(id, destinationId);
        var text = TableSegment.Of(context);
        var statuses = await store.Status.ReadAsync([id], cancellationToken);
        if (!TableName.TryParse(text, out var name)
            || statuses[id].Destinations.GetValueOrDefault(destinationId)?.Tables.FirstOrDefault(t => t.TableName == name.ToString()) is not { } table)
        {
            return Problem.NotFound(
                $"Destination {destinationId} of pipeline {id} has no table '{text}'. Its tables are in GET /api/v1/pipelines/{id}; "
                + $"one that is new at the source appears after POST /api/v1/pipelines/{id}/refresh.");
        }

        return table.State == "EXCLUDED"
            ? Problem.Conflict($"Table {name} is excluded (enabled: false). Change table_syncs first.")
            : await act(table, (shown, request) => TypedResults.Accepted($"/api/v1/pipelines/{id}/destinations/{destinationId}/metadata", PipelineViews.ToAnswer(shown) with { RequestId = request }));
    }
}
