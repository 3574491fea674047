using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Rosetta.Api.Access;
using Rosetta.Api.Bodies;
using Rosetta.Api.Documents;
using Rosetta.Api.Problems;
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

    static async Task<IResult> WalMetricsAsync(HttpRequest request, ConfigStore store, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        var sourceId = PageQuery.Whole(request, "source_id", 1, long.MaxValue, errors);
        var hours = PageQuery.Whole(request, "hours", 1, LongestHours, errors) ?? 24;
        errors.ThrowIfAny("query");
        return TypedResults.Ok(new WalMetricsAnswer(await store.WalMetrics.ListAsync(sourceId, TimeSpan.FromHours(hours), cancellationToken)));
    }
}

/// <summary>Measurements, oldest first.</summary>
public sealed record WalMetricsAnswer(IReadOnlyList<WalMetric> Items);
