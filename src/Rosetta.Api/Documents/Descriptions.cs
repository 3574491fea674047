using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Rosetta.Api.Access;
using Rosetta.Api.Configuration;
using Rosetta.Api.Problems;

namespace Rosetta.Api.Documents;

/// <summary>What an endpoint says about itself in the OpenAPI document.</summary>
static class Descriptions
{
    public static RouteHandlerBuilder Describe(this RouteHandlerBuilder endpoint, string summary, string? description = null)
    {
        endpoint.WithSummary(summary);
        return description is null ? endpoint : endpoint.WithDescription(description);
    }

    public static RouteHandlerBuilder NeedsRole(this RouteHandlerBuilder endpoint, ApiRole role) => endpoint.WithMetadata(new RequiredRole(role));

    public static RouteHandlerBuilder Takes<T>(this RouteHandlerBuilder endpoint, bool optional = false)
        where T : class => endpoint.WithMetadata(new TakesBody(typeof(T), optional)).Refuses(400, 413, 415, 422);

    /// <summary>A configuration file, as it is or in JSON.</summary>
    public static RouteHandlerBuilder TakesYaml(this RouteHandlerBuilder endpoint) => endpoint
        .WithMetadata(new TakesBody(typeof(ConfigSubmissionBody), false, TextType: ConfigSubmission.ContentType))
        .HasQuery("prune", "true: what the file does not have is deleted.", "boolean").Refuses(400, 413, 415, 422);

    public static RouteHandlerBuilder Gives<T>(
        this RouteHandlerBuilder endpoint, int status = StatusCodes.Status200OK, string contentType = "application/json") =>
        endpoint.Produces<T>(status, contentType);

    public static RouteHandlerBuilder GivesNothing(this RouteHandlerBuilder endpoint) => endpoint.Produces(StatusCodes.Status204NoContent);

    public static RouteHandlerBuilder Refuses(this RouteHandlerBuilder endpoint, params int[] statuses)
    {
        foreach (var status in statuses) endpoint.Produces<ProblemAnswer>(status, Problem.ContentType);
        return endpoint;
    }

    public static RouteHandlerBuilder Paged(this RouteHandlerBuilder endpoint) =>
        endpoint.HasQuery("limit", "How many at most, 1 to 1000; 100 when absent.", "integer").HasQuery("offset", "How many to skip; 0 when absent.", "integer");

    public static RouteHandlerBuilder HasQuery(this RouteHandlerBuilder endpoint, string name, string description, string type) =>
        endpoint.WithMetadata(new UnboundParameter(name, description, type, InPath: false));

    public static RouteHandlerBuilder HasPath(this RouteHandlerBuilder endpoint, string name, string description) =>
        endpoint.WithMetadata(new UnboundParameter(name, description, "string", InPath: true));
}

/// <summary>The body an endpoint takes; read by <see cref="Bodies.Body{T}"/>, so ASP.NET does not know it by itself.</summary>
/// <param name="TextType">Content type of a text that it may be instead.</param>
sealed record TakesBody(Type RequestType, bool IsOptional, string? TextType = null);

/// <summary>A parameter that the endpoint reads by itself.</summary>
sealed record UnboundParameter(string Name, string Description, string Type, bool InPath);
