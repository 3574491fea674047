using FluentValidation;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Rosetta.Api.Access;
using Rosetta.Api.Bodies;
using Rosetta.Api.Documents;
using Rosetta.Api.Problems;
using Rosetta.Api.Sources;
using Rosetta.Core.Pipelines;
using Rosetta.Postgres.Wire;
using Rosetta.Store;
using Rosetta.Store.Destinations;

namespace Rosetta.Api.Destinations;

/// <summary><c>/destinations</c>: the systems changes are applied to.</summary>
static class DestinationEndpoints
{
    public const string TypeIsFixed = "The type of a destination cannot be changed. Add another destination.";

    public static void MapDestinations(this RouteGroupBuilder api)
    {
        var destinations = api.MapGroup("/destinations").WithTags("Destinations");

        destinations.MapPost("/", async (Body<CreateDestination> body, ConfigStore store, CancellationToken cancellationToken) =>
            {
                var type = PostgresConfigReader.ReadType(body.Value.Type);
                var config = PostgresConfigReader.ReadNew(body.Value.Config);
                return (await store.Destinations.AddAsync(new NewDestination(body.Value.Name, type, config), cancellationToken)).Answer(
                    destination => TypedResults.Created($"/api/v1/destinations/{destination.Id}", ToAnswer(destination)));
            })
            .Describe("Add a destination", "Does not connect; test-connection does.")
            .Takes<CreateDestination>().Gives<DestinationAnswer>(StatusCodes.Status201Created).Refuses(409);

        destinations.MapGet("/", async (PageQuery page, ConfigStore store, CancellationToken cancellationToken) =>
            {
                var found = await store.Destinations.ListAsync(page.Limit, page.Offset, cancellationToken);
                return TypedResults.Ok(new ListAnswer<DestinationAnswer>([.. found.Items.Select(ToAnswer)], found.Total));
            })
            .Describe("List the destinations").Paged().Gives<ListAnswer<DestinationAnswer>>().Refuses(422);

        destinations.MapGet("/{id:long}", async (long id, ConfigStore store, CancellationToken cancellationToken) =>
                await store.Destinations.FindAsync(id, cancellationToken) is { } destination ? TypedResults.Ok(ToAnswer(destination)) : NoDestination(id))
            .Describe("Show a destination").Gives<DestinationAnswer>().Refuses(404);

        destinations.MapPut("/{id:long}", ChangeAsync)
            .Describe("Change a destination", "Absent fields and secrets stay. The connection of a destination that a started pipeline uses cannot be changed.")
            .Takes<ChangeDestination>().Gives<DestinationAnswer>().Refuses(404, 409);

        destinations.MapDelete("/{id:long}", async (long id, ConfigStore store, CancellationToken cancellationToken) =>
                (await store.Destinations.DeleteAsync(id, cancellationToken)).Answer(_ => TypedResults.NoContent()))
            .Describe("Delete a destination").GivesNothing().Refuses(404, 409);

        destinations.MapPost("/test-connection", async (Body<CreateDestination> body, CancellationToken cancellationToken) =>
            {
                var type = PostgresConfigReader.ReadType(body.Value.Type);
                var config = new DestinationConfig(PostgresConfigReader.ReadNew(body.Value.Config));
                var destination = new DestinationDefinition(0, body.Value.Name, type, config, default, default);
                return TypedResults.Ok(await SourceEndpoints.TestAsync(ToEndpoint(destination), cancellationToken));
            })
            .Describe("Try to connect to a destination that is not stored").NeedsRole(ApiRole.Operator)
            .Takes<CreateDestination>().Gives<ConnectionTestAnswer>();

        destinations.MapPost("/{id:long}/test-connection", async (long id, ConfigStore store, CancellationToken cancellationToken) =>
                await store.Destinations.FindAsync(id, cancellationToken) is { } destination
                    ? TypedResults.Ok(await SourceEndpoints.TestAsync(ToEndpoint(destination), cancellationToken))
                    : NoDestination(id))
            .Describe("Try to connect to a destination").NeedsRole(ApiRole.Operator).Gives<ConnectionTestAnswer>().Refuses(404);
    }

    static async Task<IResult> ChangeAsync(long id, Body<ChangeDestination> body, ConfigStore store, CancellationToken cancellationToken)
    {
        if (await store.Destinations.FindAsync(id, cancellationToken) is not { } current) return NoDestination(id);
        if (body.Value.Type is { } type && PostgresConfigReader.ReadType(type) != current.Type)
            return Problem.Conflict(TypeIsFixed);
        var config = body.Value.Config is { } fields ? PostgresConfigReader.ReadChange(fields) : null;
        return (await store.Destinations.ChangeAsync(id, new DestinationChange(body.Value.Name, config), cancellationToken)).Answer(
            destination => TypedResults.Ok(ToAnswer(destination)));
    }

    static DestinationAnswer ToAnswer(DestinationDefinition destination) => new(
        destination.Id, destination.Name, destination.Type.ToName(), destination.Config.WithoutSecrets(), destination.CreatedAt, destination.UpdatedAt);

    public static PgEndpoint ToEndpoint(DestinationDefinition destination)
    {
        var config = PostgresDestinationConfig.From(destination);
        return SourceConversions.Endpoint(config.Host, config.Port, config.Database, config.User, config.Password.Value, config.SslMode);
    }

    static IResult NoDestination(long id) => Problem.NotFound($"There is no destination {id}. GET /api/v1/destinations lists them.");
}

sealed class CreateDestinationValidator : AbstractValidator<CreateDestination>
{
    public CreateDestinationValidator() => RuleFor(d => d.Name).IsName();
}

sealed class ChangeDestinationValidator : AbstractValidator<ChangeDestination>
{
    public ChangeDestinationValidator() => RuleFor(d => d.Name).IsName();
}
