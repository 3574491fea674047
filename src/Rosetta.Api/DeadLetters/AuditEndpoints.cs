using System.Globalization;
using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Rosetta.Api.Bodies;
using Rosetta.Api.Documents;
using Rosetta.Api.Pipelines;
using Rosetta.Core.Tables;
using Rosetta.Store;

namespace Rosetta.Api.DeadLetters;

/// <summary><c>/pipelines/{id}/destinations/{destinationId}/dlq/audit</c>: who edited or discarded which dead letters, and what they were. Rows are shown, never logged.</summary>
static class AuditEndpoints
{
    public static void MapDeadLetterAudit(this RouteGroupBuilder api) =>
        api.MapGet("/pipelines/{id:long}/destinations/{destinationId:long}/dlq/audit", ReadAsync).WithTags("Dead letters")
            .Describe("Show who edited or discarded dead letters of a destination", "The newest first, with the rows as they were. Large rows make pages shorter than the limit: go on while next is there.")
            .HasQuery("table", "Only of this table of the source: schema.table.", "string")
            .HasQuery("limit", "How many at most, 1 to 1000; 100 when absent.", "integer").HasQuery("after", "next of the page before.", "string")
            .Gives<AuditPageAnswer>().Refuses(404, 422, 503);

    static async Task<IResult> ReadAsync(long id, long destinationId, AuditFilter filter, ConfigStore store, CancellationToken cancellationToken)
    {
        if (await store.Pipelines.FindAsync(id, cancellationToken) is not { } pipeline) return PipelineReader.NoPipeline(id);
        if (pipeline.Destinations.All(d => d.Destination.Id != destinationId)) return PipelineReader.NoDestination(id, destinationId);
        await using var reader = new AuditReader(pipeline, destinationId, store.Audit);
        var (items, next) = await reader.ReadAsync(filter, cancellationToken);
        return TypedResults.Ok(new AuditPageAnswer(items, next?.ToString(CultureInfo.InvariantCulture)));
    }
}

/// <summary>Which records of the audit are wanted, from a query: <c>table</c>, <c>limit</c>, and <c>after</c>, the id of a record whose elders are.</summary>
sealed record AuditFilter(TableName? Table, int Limit, long? After)
{
    /// <summary>Called by ASP.NET for a parameter of this type.</summary>
    public static ValueTask<AuditFilter> BindAsync(HttpContext context, ParameterInfo parameter)
    {
        var errors = new FieldErrors();
        var table = LetterFilter.TableOf(context.Request, errors);
        var limit = PageQuery.LimitOf(context.Request, errors);
        var after = PageQuery.Whole(context.Request, "after", 1, long.MaxValue, errors);
        errors.ThrowIfAny("query");
        return ValueTask.FromResult(new AuditFilter(table, limit, after));
    }
}
