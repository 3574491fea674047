using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Rosetta.Api.Destinations;
using Rosetta.Api.Documents;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Letters;
using Rosetta.Store;
using Rosetta.Store.DeadLetters;

namespace Rosetta.Api.DeadLetters;

/// <summary><c>/pipelines/{id}/destinations/{destinationId}/dlq</c>: changes that a destination has not applied. Rows are shown, never logged.</summary>
static class LetterEndpoints
{
    public static void MapDeadLetters(this RouteGroupBuilder api)
    {
        var letters = api.MapGroup("/pipelines/{id:long}/destinations/{destinationId:long}/dlq").WithTags("Dead letters");

        letters.MapGet("/count", CountAsync)
            .Describe("Count the dead letters of a destination").Gives<LetterCountAnswer>().Refuses(404, 503);

        letters.MapGet("/summary", SummarizeAsync)
            .Describe("Show what the dead letters of a destination met", "By table, error class and SQLSTATE, with an example and what to do.").Gives<LetterSummaryAnswer>().Refuses(404, 503);

        letters.MapGet("/export", async (long id, long destinationId, LetterFilter filter, ConfigStore config, DeadLetterAccess access, CancellationToken cancellationToken) =>
                (IResult)new LetterExport(await LetterQueue.FindAsync(id, destinationId, config, access, cancellationToken), filter))
            .Describe("Export the dead letters of a destination", "As JSON Lines: one object a line, as the list shows them.")
            .Filtered().Gives<LetterAnswer>(contentType: LetterExport.ContentType).Refuses(404, 422, 503);

        letters.MapGet("/", ListAsync)
            .Describe("List the dead letters of a destination", "The oldest change first. Large rows, and filters that fit few, make pages shorter than the limit: go on while next is there.")
            .Filtered().HasQuery("limit", "How many at most, 1 to 1000; 100 when absent.", "integer").HasQuery("after", "next of the page before.", "string")
            .Gives<LettersAnswer>().Refuses(404, 422, 503);

        letters.MapGet("/{entryId}", ShowAsync)
            .Describe("Show a dead letter", "With the row that the destination has now, when it can be asked.").Gives<LetterDetailAnswer>().Refuses(404, 503);
    }

    static RouteHandlerBuilder Filtered(this RouteHandlerBuilder endpoint) => endpoint
        .HasQuery("table", "Only of this table of the source: schema.table.", "string")
        .HasQuery("error_class", "Only what met an error of this class: TRANSIENT, DATA, TABLE or OPERATOR.", "string")
        .HasQuery("sqlstate", "Only what met this SQLSTATE.", "string");

    static async Task<IResult> CountAsync(long id, long destinationId, ConfigStore config, DeadLetterAccess access, CancellationToken cancellationToken)
    {
        var queue = await LetterQueue.FindAsync(id, destinationId, config, access, cancellationToken);
        var groups = await queue.Store.SummarizeAsync(queue.Queue, cancellationToken);
        return TypedResults.Ok(new LetterCountAnswer(groups.Sum(g => g.Count), groups.GroupBy(g => g.Table.ToString()).ToDictionary(g => g.Key, g => g.Sum(x => x.Count))));
    }

    static async Task<IResult> SummarizeAsync(long id, long destinationId, ConfigStore config, DeadLetterAccess access, CancellationToken cancellationToken)
    {
        var queue = await LetterQueue.FindAsync(id, destinationId, config, access, cancellationToken);
        return TypedResults.Ok(new LetterSummaryAnswer([.. (await queue.Store.SummarizeAsync(queue.Queue, cancellationToken)).Select(LetterGroupAnswer.Of)]));
    }

    static async Task<IResult> ListAsync(long id, long destinationId, LetterFilter filter, ConfigStore config, DeadLetterAccess access, CancellationToken cancellationToken)
    {
        var queue = await LetterQueue.FindAsync(id, destinationId, config, access, cancellationToken);
        await using var reader = new LetterReader(queue, filter);
        var (items, next) = await reader.ReadAsync(filter.After, filter.Limit, cancellationToken);
        return TypedResults.Ok(new LettersAnswer(items, next is { } at ? DeadLetter.IdOf(at) : null));
    }

    static async Task<IResult> ShowAsync(long id, long destinationId, string entryId, ConfigStore config, DeadLetterAccess access, CancellationToken cancellationToken)
    {
        var queue = await LetterQueue.FindAsync(id, destinationId, config, access, cancellationToken);
        var letter = await queue.FindEntryAsync(entryId, cancellationToken);
        await using var reader = new LetterReader(queue, new LetterFilter(null, null, null, 1, null));
        return TypedResults.Ok(await reader.ShowWithCurrentAsync(
            letter,
            async (change, readable) =>
                queue.Attached.Destination.Type != DestinationType.Postgres ? new RowThere(null, "Destinations of this type are not asked for rows.")
                : await TargetAsync(queue, letter.Table, config, cancellationToken) is not { } target ? new RowThere(null, $"Table {letter.Table} is not replicated to this destination.")
                : await DestinationRow.ReadAsync(DestinationEndpoints.ToEndpoint(queue.Attached.Destination), target, change, readable, cancellationToken),
            cancellationToken));
    }

    /// <summary>The table at the destination, as the node that runs the pipeline has reported it.</summary>
    static async Task<TableName?> TargetAsync(LetterQueue queue, TableName table, ConfigStore config, CancellationToken cancellationToken)
    {
        var status = (await config.Status.ReadAsync([queue.Pipeline.Id], cancellationToken))[queue.Pipeline.Id].Destinations.GetValueOrDefault(queue.Attached.Destination.Id);
        return status?.Tables.FirstOrDefault(t => t.TableName == table.ToString())?.Target is { } target ? TableName.Parse(target) : null;
    }
}
