using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Rosetta.Api.Access;
using Rosetta.Api.Bodies;
using Rosetta.Api.Documents;
using Rosetta.Api.Problems;
using Rosetta.Postgres.Source;
using Rosetta.Postgres.Wire;
using Rosetta.Store;

namespace Rosetta.Api.Sources;

/// <summary><c>/sources</c>: the databases that are read.</summary>
static class SourceEndpoints
{
    public static void MapSources(this RouteGroupBuilder api)
    {
        var sources = api.MapGroup("/sources").WithTags("Sources");

        sources.MapPost("/", async (Body<CreateSource> body, ConfigStore store, CancellationToken cancellationToken) =>
                (await store.Sources.AddAsync(body.Value.ToStore(), cancellationToken)).Answer(
                    source => TypedResults.Created($"/api/v1/sources/{source.Id}", source.ToAnswer())))
            .Describe("Add a source", "Does not connect; test-connection and preflight do.")
            .Takes<CreateSource>().Gives<SourceAnswer>(StatusCodes.Status201Created).Refuses(409);

        sources.MapGet("/", async (PageQuery page, ConfigStore store, CancellationToken cancellationToken) =>
            {
                var found = await store.Sources.ListAsync(page.Limit, page.Offset, cancellationToken);
                return TypedResults.Ok(new ListAnswer<SourceAnswer>([.. found.Items.Select(s => s.ToAnswer())], found.Total));
            })
            .Describe("List the sources").Paged().Gives<ListAnswer<SourceAnswer>>().Refuses(422);

        sources.MapGet("/{id:long}", async (long id, ConfigStore store, CancellationToken cancellationToken) =>
                await store.Sources.FindAsync(id, cancellationToken) is { } source ? TypedResults.Ok(source.ToAnswer()) : NoSource(id))
            .Describe("Show a source").Gives<SourceAnswer>().Refuses(404);

        sources.MapPut("/{id:long}", async (long id, Body<ChangeSource> body, ConfigStore store, CancellationToken cancellationToken) =>
                (await store.Sources.ChangeAsync(id, body.Value.ToStore(), cancellationToken)).Answer(source => TypedResults.Ok(source.ToAnswer())))
            .Describe("Change a source", "Absent fields and the password stay. The connection of a source that a started pipeline uses cannot be changed.")
            .Takes<ChangeSource>().Gives<SourceAnswer>().Refuses(404, 409);

        sources.MapDelete("/{id:long}", async (long id, ConfigStore store, CancellationToken cancellationToken) =>
                (await store.Sources.DeleteAsync(id, cancellationToken)).Answer(_ => TypedResults.NoContent()))
            .Describe("Delete a source").GivesNothing().Refuses(404, 409);

        sources.MapPost("/test-connection", async (Body<CreateSource> body, CancellationToken cancellationToken) =>
                TypedResults.Ok(await TestAsync(body.Value.ToEndpoint(), cancellationToken)))
            .Describe("Try to connect to a source that is not stored").NeedsRole(ApiRole.Operator)
            .Takes<CreateSource>().Gives<ConnectionTestAnswer>();

        sources.MapPost("/{id:long}/test-connection", async (long id, ConfigStore store, CancellationToken cancellationToken) =>
                await store.Sources.FindAsync(id, cancellationToken) is { } source
                    ? TypedResults.Ok(await TestAsync(source.ToEndpoint(), cancellationToken))
                    : NoSource(id))
            .Describe("Try to connect to a source").NeedsRole(ApiRole.Operator).Gives<ConnectionTestAnswer>().Refuses(404);
    }

    public static async Task<ConnectionTestAnswer> TestAsync(PgEndpoint endpoint, CancellationToken cancellationToken)
    {
        var result = await ConnectionCheck.RunAsync(endpoint, cancellationToken);
        return new ConnectionTestAnswer(result.Ok, result.ServerVersion, result.LatencyMs, result.Error, result.Hint);
    }

    public static IResult NoSource(long id) => Problem.NotFound($"There is no source {id}. GET /api/v1/sources lists them.");
}
