using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Rosetta.Api.Access;
using Rosetta.Api.Bodies;
using Rosetta.Api.Documents;
using Rosetta.Api.Pipelines;
using Rosetta.Api.Problems;
using Rosetta.Api.Sources;
using Rosetta.Core.Positions;
using Rosetta.Store;
using Rosetta.Store.Monitoring;

namespace Rosetta.Api.Monitoring;

/// <summary>WAL of the sources, and what an operator should know.</summary>
static class MonitoringEndpoints
{
    const long LongestHours = 24 * 366;

    public static void MapMonitoring(this RouteGroupBuilder api)
    {
        var monitoring = api.MapGroup("").WithTags("Monitoring");

        monitoring.MapGet("/wal-metrics", WalMetricsAsync)
            .Describe("Show the WAL of the sources over time")
            .HasQuery("source_id", "Only this source.", "integer").HasQuery("hours", "How far back; 24 when absent.", "integer")
            .Gives<WalMetricsAnswer>().Refuses(422);

        monitoring.MapGet("/pipelines/{id:long}/monitoring", FlowAsync)
            .Describe("Show how many rows a pipeline has applied, by minute", "Per destination and table, oldest first. A minute without a change is left out.")
            .HasQuery("hours", "How far back; 24 when absent.", "integer").Gives<DataFlowAnswer>().Refuses(404, 422);

        monitoring.MapGet("/sources/{id:long}/schema-history", async (long id, PageQuery page, ConfigStore store, CancellationToken cancellationToken) =>
            {
                if (await store.Sources.FindAsync(id, cancellationToken) is null) return SourceEndpoints.NoSource(id);
                var found = await store.SchemaHistory.ListAsync(id, page.Limit, page.Offset, cancellationToken);
                return TypedResults.Ok(new ListAnswer<SchemaChangeAnswer>(
                    [.. found.Items.Select(c => new SchemaChangeAnswer(c.Table, c.Lsn, c.RecordedAt, c.Change, c.Columns))], found.Total));
            })
            .Describe("List what has changed of a source's tables, newest first").Paged().Gives<ListAnswer<SchemaChangeAnswer>>().Refuses(404, 422);

        monitoring.MapGet("/notifications", async (PageQuery page, ConfigStore store, CancellationToken cancellationToken) =>
            {
                var found = await store.Notifications.ListAsync(page.Limit, page.Offset, cancellationToken);
                return TypedResults.Ok(new ListAnswer<Notification>(found.Items, found.Total));
            })
            .Describe("List notifications, newest first").Paged().Gives<ListAnswer<Notification>>().Refuses(422);

        monitoring.MapPost("/notifications/{id:long}/read", async (long id, ConfigStore store, CancellationToken cancellationToken) =>
                await store.Notifications.MarkReadAsync(id, cancellationToken) is { } notification
                    ? TypedResults.Ok(notification)
                    : Problem.NotFound($"There is no notification {id}."))
            .Describe("Mark a notification as read").NeedsRole(ApiRole.Operator).Gives<Notification>().Refuses(404);
    }

    static async Task<IResult> FlowAsync(long id, HttpRequest request, ConfigStore store, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        var hours = PageQuery.Whole(request, "hours", 1, LongestHours, errors) ?? 24;
        errors.ThrowIfAny("query");
        return await store.Pipelines.FindAsync(id, cancellationToken) is null
            ? PipelineReader.NoPipeline(id)
            : TypedResults.Ok(new DataFlowAnswer(await store.DataFlow.ListAsync(id, TimeSpan.FromHours(hours), cancellationToken)));
    }

    static async Task<IResult> WalMetricsAsync(HttpRequest request, ConfigStore store, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        var sourceId = PageQuery.Whole(request, "source_id", 1, long.MaxValue, errors);
        var hours = PageQuery.Whole(request, "hours", 1, LongestHours, errors) ?? 24;
        errors.ThrowIfAny("query");
        return TypedResults.Ok(new WalMetricsAnswer(await store.WalMetrics.ListAsync(sourceId, TimeSpan.FromHours(hours), cancellationToken)));
    }
}

/// <summary>Rows by minute, oldest first.</summary>
public sealed record DataFlowAnswer(IReadOnlyList<DataFlow> Items);

/// <summary>A change of a source's table.</summary>
/// <param name="Lsn">Where it was seen in the stream; null when a look at the catalog found it.</param>
/// <param name="Change">CREATED, CHANGED, RECREATED, RENAMED or DROPPED.</param>
/// <param name="Columns">The columns after it.</param>
public sealed record SchemaChangeAnswer(string Table, Lsn? Lsn, DateTime RecordedAt, string Change, JsonArray Columns);

/// <summary>Measurements, oldest first.</summary>
public sealed record WalMetricsAnswer(IReadOnlyList<WalMetric> Items);
