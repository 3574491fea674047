using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Rosetta.Api.Bodies;
using Rosetta.Api.Documents;
using Rosetta.Api.Pipelines;
using Rosetta.Api.Problems;
using Rosetta.Core.Errors;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;
using Rosetta.Postgres.Source;
using Rosetta.Store;
using Rosetta.Store.Sources;

namespace Rosetta.Api.Sources;

/// <summary>What is in a source: its tables, and the publication that all pipelines of it may share.</summary>
static class SourceCatalogEndpoints
{
    public static void MapSourceCatalog(this RouteGroupBuilder api)
    {
        var sources = api.MapGroup("/sources/{id:long}").WithTags("Sources");

        sources.MapGet("/tables", TablesAsync)
            .Describe("List the tables of a source").Gives<ListAnswer<SourceTableAnswer>>().Paged().Refuses(404, 422, 503);

        sources.MapGet("/preflight", PreflightAsync)
            .Describe("Look for what is in the way of a pipeline", "Each finding with the SQL that mends it. A source that cannot be reached is a finding too.")
            .Gives<PreflightAnswer>().Refuses(404);

        sources.MapPost("/publication", CreateAsync)
            .Describe(
                "Make the source's own publication",
                "Tables are listed one by one, also for all_user_tables; those without replica identity go to a second one for inserts only.")
            .Takes<CreatePublication>().Gives<PublicationAnswer>(StatusCodes.Status201Created).Refuses(404, 409, 503);

        sources.MapDelete("/publication", DropAsync)
            .Describe("Drop the source's own publication").GivesNothing().Refuses(404, 409, 503);
    }

    static async Task<IResult> TablesAsync(long id, PageQuery page, ConfigStore store, CancellationToken cancellationToken)
    {
        if (await store.Sources.FindAsync(id, cancellationToken) is not { } source) return SourceEndpoints.NoSource(id);
        var tables = await SourceAccess.RunAsync(
            source, (database, token) => new SourceCatalog(database).ListAsync(SourceNames.PublicationPattern(source.PublicationName), token), cancellationToken);
        return TypedResults.Ok(new ListAnswer<SourceTableAnswer>([.. tables.Skip(page.Offset).Take(page.Limit).Select(SourceTableAnswer.From)], tables.Count));
    }

    static async Task<IResult> PreflightAsync(long id, ConfigStore store, CancellationToken cancellationToken)
    {
        if (await store.Sources.FindAsync(id, cancellationToken) is not { } source) return SourceEndpoints.NoSource(id);
        await using var database = new SourceDatabase(source.ToEndpoint());
        // A look at the source for pipelines to come: no slot of a certain pipeline is meant.
        var request = new PreflightRequest(source.PublicationName, SourceNames.Slot(source.ReplicationName, 0), SlotIsOurs: true);
        var report = await Preflight.RunAsync(database, request, cancellationToken);
        var answer = PreflightAnswer.From(report);
        // A source that cannot be read has been told already.
        return TypedResults.Ok(report.Blocking is null ? answer with { Findings = [.. answer.Findings, .. await OfTransformsAsync(source, store, cancellationToken)] } : answer);
    }

    /// <summary>What the transforms of the source's pipelines need of their tables to hold in every case.</summary>
    static async Task<IReadOnlyList<FindingAnswer>> OfTransformsAsync(SourceDefinition source, ConfigStore store, CancellationToken cancellationToken)
    {
        var syncs = (await store.Pipelines.OfSourceAsync(source.Id, cancellationToken)).SelectMany(p => p.Destinations).SelectMany(d => d.TableSyncs).ToList();
        return
        [
            .. (await TableSyncChecks.FindAsync(source, syncs, cancellationToken)).Warnings.Distinct().Select(w => new FindingAnswer(
                "warning", "transform", w.Text, $"ALTER TABLE {w.Table.ToSql()} REPLICA IDENTITY FULL;", w.Table.ToString())),
        ];
    }

    static async Task<IResult> CreateAsync(long id, Body<CreatePublication> body, ConfigStore store, CancellationToken cancellationToken)
    {
        if (await store.Sources.FindAsync(id, cancellationToken) is not { } source) return SourceEndpoints.NoSource(id);
        var tables = body.Value.Tables?.Select(t => TableName.Parse(t)).Distinct().ToList();
        var outcome = await RunAsync(source, store, (publications, token) => publications.CreateAsync(tables, token), cancellationToken);
        return outcome switch
        {
            PublicationCreation.Created made => TypedResults.Created(
                $"/api/v1/sources/{id}/tables",
                new PublicationAnswer(made.Publication, [.. made.Tables.Select(t => t.ToString())], [.. made.InsertOnly.Select(t => t.ToString())])),
            PublicationCreation.Exists exists => Problem.Conflict(
                $"The source has a publication '{exists.Publication}' already; pipelines use it as it is. Drop it first (DELETE), or alter it in the database."),
            PublicationCreation.Unknown unknown => Problem.Invalid("tables", $"the source has no table {string.Join(", ", unknown.Tables)}"),
            _ => throw new InvalidOperationException($"Unknown outcome {outcome.GetType().Name}."),
        };
    }

    static async Task<IResult> DropAsync(long id, ConfigStore store, CancellationToken cancellationToken)
    {
        if (await store.Sources.FindAsync(id, cancellationToken) is not { } source) return SourceEndpoints.NoSource(id);
        return await RunAsync(source, store, (publications, token) => publications.DropUsersAsync(token), cancellationToken)
            ? TypedResults.NoContent()
            : Problem.NotFound($"The source has no publication '{source.PublicationName}'.");
    }

    static async Task<T> RunAsync<T>(
        SourceDefinition source, ConfigStore store, Func<Publications, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        try
        {
            return await SourceAccess.RunAsync(
                source, (database, token) => work(new Publications(database, source.PublicationName, store.Installation.Uuid), token), cancellationToken);
        }
        catch (FaultException e)
        {
            // The source forbids it (ownership, privileges, a name that is taken): an operator must act there.
            throw new RequestProblemException(StatusCodes.Status409Conflict, e.Fault.Remedy is { } remedy ? $"{e.Fault.Reason} {remedy}" : e.Fault.Reason);
        }
    }
}
