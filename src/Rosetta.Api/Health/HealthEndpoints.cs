using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Rosetta.Actors.Cluster.Views;
using Rosetta.Store;

namespace Rosetta.Api.Health;

/// <summary><c>/health/live</c> and <c>/health/ready</c>, on both ports and without a key.</summary>
static class HealthEndpoints
{
    public static void MapHealth(this IEndpointRouteBuilder app)
    {
        var health = app.MapGroup("/health").WithTags("Health");

        health.MapGet("/live", (ClusterHealth cluster) => Answer("live", [Cluster(cluster.Liveness())]))
            .WithSummary("Is the process fine?").Produces<HealthAnswer>().Produces<HealthAnswer>(StatusCodes.Status503ServiceUnavailable);

        health.MapGet("/ready", async (ClusterHealth cluster, ConfigStoreAccess access, CancellationToken cancellationToken) =>
                Answer("ready", [await DatabaseAsync(access, cancellationToken), Cluster(cluster.Readiness())]))
            .WithSummary("Can it work?").Produces<HealthAnswer>().Produces<HealthAnswer>(StatusCodes.Status503ServiceUnavailable);
    }

    static JsonHttpResult<HealthAnswer> Answer(string word, IReadOnlyList<HealthCheckAnswer> checks)
    {
        var healthy = checks.All(c => c.Healthy);
        return TypedResults.Json(
            new HealthAnswer(healthy ? word : $"not {word}", checks), statusCode: healthy ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
    }

    static async Task<HealthCheckAnswer> DatabaseAsync(ConfigStoreAccess access, CancellationToken cancellationToken)
    {
        if (access.Current is null) return new HealthCheckAnswer("config_database", false, "not reached and opened yet; the log says what it waits for");
        return await access.Database.IsAvailableAsync(cancellationToken)
            ? new HealthCheckAnswer("config_database", true, "answers")
            : new HealthCheckAnswer("config_database", false, "does not answer; pipelines go on meanwhile");
    }

    static HealthCheckAnswer Cluster(HealthFact fact) => new("cluster", fact.Healthy, fact.Detail);
}

public sealed record HealthAnswer(string Status, IReadOnlyList<HealthCheckAnswer> Checks);

/// <param name="Detail">What is wrong, when it is not healthy.</param>
public sealed record HealthCheckAnswer(string Name, bool Healthy, string Detail);
