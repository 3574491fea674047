using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Rosetta.Api.Access;
using Rosetta.Api.Bodies;
using Rosetta.Api.Documents;
using Rosetta.Api.Jobs;
using Rosetta.Api.Pipelines;
using Rosetta.Api.Problems;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Pipelines;
using Rosetta.Store;
using Rosetta.Store.DeadLetters;
using Rosetta.Store.Jobs;
using Rosetta.Store.Pipelines;

namespace Rosetta.Api.DeadLetters;

/// <summary>Orders about a destination's dead letters: recover, retry, discard. The node that runs the pipeline carries them out, one after the other.</summary>
static class RecoveryEndpoints
{
    public static void MapRecoveries(this RouteGroupBuilder api)
    {
        var orders = api.MapGroup("/pipelines/{id:long}/destinations/{destinationId:long}").WithTags("Dead letters");

        orders.MapPost("/recover-dlq", (long id, long destinationId, Body<StartRecovery> body, HttpContext context, ConfigStore store, CancellationToken cancellationToken) => AddAsync(
                id, destinationId, new RecoveryRequest(RecoveryKind.Recover, RecoveryRules.ToTable(body.Value.Table), RecoveryRules.ToClass(body.Value.ErrorClass)), context, store, cancellationToken))
            .Describe("Try dead letters again", "Whatever tries they have had, those of a row in their order; beside the stream. On a paused pipeline the order waits.")
            .NeedsRole(ApiRole.Operator).Takes<StartRecovery>(optional: true).Gives<RecoveryStartedAnswer>(StatusCodes.Status202Accepted).Refuses(404);

        orders.MapGet("/recover-dlq/{recoveryId}", async (long id, long destinationId, string recoveryId, ConfigStore store, CancellationToken cancellationToken) =>
                await FindAsync(id, destinationId, recoveryId, store, cancellationToken) is { } order
                    ? TypedResults.Ok(RecoveryAnswer.From(order, order.IsOpen ? await WaitingForAsync(id, store, cancellationToken) : null))
                    : NoOrder(id, destinationId, recoveryId))
            .Describe("Show an order about dead letters", "A recovery, a retry or a discard: how far it is, and what came of it.").Gives<RecoveryAnswer>().Refuses(404);

        orders.MapPost("/recover-dlq/{recoveryId}/cancel", CancelAsync)
            .Describe("Cancel an order about dead letters", "It ends after the transaction at hand; what has been done stays.").NeedsRole(ApiRole.Operator)
            .Gives<RecoveryAnswer>().Refuses(404, 409);

        orders.MapPost("/dlq/{entryId}/retry", (long id, long destinationId, string entryId, Body<RetryEntry> body, HttpContext context, ConfigStore store, DeadLetterAccess letters, CancellationToken cancellationToken) =>
                AddForEntryAsync(
                    id, destinationId,
                    new RecoveryRequest(RecoveryKind.Retry, Entry: entryId, Edited: body.Value.New?.ToDictionary(v => v.Key, v => v.Value?.GetValue<string>()), DryRun: body.Value.DryRun),
                    context, store, letters, cancellationToken))
            .Describe(
                "Try a dead letter again",
                "With all that has to be applied together with it. new: other values for its row, which replace the old ones for good when the destination takes them. dry_run: only shows what would be done, against which row.")
            .NeedsRole(ApiRole.Operator).Takes<RetryEntry>(optional: true).Gives<RecoveryStartedAnswer>(StatusCodes.Status202Accepted).Refuses(404, 503);

        orders.MapPost("/dlq/{entryId}/discard", (long id, long destinationId, string entryId, Body<DiscardEntry> body, HttpContext context, ConfigStore store, DeadLetterAccess letters, CancellationToken cancellationToken) =>
                AddForEntryAsync(id, destinationId, new RecoveryRequest(RecoveryKind.Discard, Entry: entryId, Reason: body.Value.Reason), context, store, letters, cancellationToken))
            .Describe("Discard a dead letter", "For good: the audit keeps it. What waits behind it may go on.")
            .NeedsRole(ApiRole.Admin).Takes<DiscardEntry>().Gives<RecoveryStartedAnswer>(StatusCodes.Status202Accepted).Refuses(404, 503);

        orders.MapPost("/dlq/discard", (long id, long destinationId, Body<DiscardEntries> body, HttpContext context, ConfigStore store, CancellationToken cancellationToken) => AddAsync(
                id, destinationId, new RecoveryRequest(RecoveryKind.Discard, RecoveryRules.ToTable(body.Value.Table), RecoveryRules.ToClass(body.Value.ErrorClass), Reason: body.Value.Reason),
                context, store, cancellationToken))
            .Describe("Discard dead letters", "Of a table, of an error class, or both; for good: the audit keeps them.")
            .NeedsRole(ApiRole.Admin).Takes<DiscardEntries>().Gives<RecoveryStartedAnswer>(StatusCodes.Status202Accepted).Refuses(404);
    }

    static async Task<IResult> AddAsync(long id, long destinationId, RecoveryRequest request, HttpContext context, ConfigStore store, CancellationToken cancellationToken)
    {
        if (await store.Pipelines.FindAsync(id, cancellationToken) is not { } pipeline) return PipelineReader.NoPipeline(id);
        if (!Has(pipeline, destinationId)) return PipelineReader.NoDestination(id, destinationId);
        var added = await store.Recoveries.AddAsync(id, destinationId, request, AccessControl.CallerOf(context).Name, cancellationToken);
        return added.Answer(order => TypedResults.Accepted($"/api/v1/pipelines/{id}/destinations/{destinationId}/recover-dlq/{order.Id}", new RecoveryStartedAnswer($"{order.Id}")));
    }

    static async Task<IResult> AddForEntryAsync(
        long id, long destinationId, RecoveryRequest request, HttpContext context, ConfigStore store, DeadLetterAccess letters, CancellationToken cancellationToken)
    {
        var letter = await (await LetterQueue.FindAsync(id, destinationId, store, letters, cancellationToken)).FindEntryAsync(request.Entry!, cancellationToken);
        if (request.Edited is { } edited && Refuse(letter, edited) is { } refused) return Problem.Invalid("new", refused);
        return await AddAsync(id, destinationId, request, context, store, cancellationToken);
    }

    /// <summary>What shows without the destination; the rest its node says.</summary>
    static string? Refuse(DeadLetter letter, IReadOnlyDictionary<string, string?> edited)
    {
        try
        {
            return ParkedEdit.Refuse(ParkedChange.Decode(letter.Payload), edited.Keys);
        }
        catch (FormatException e)
        {
            return e.Message;
        }
    }

    static async Task<IResult> CancelAsync(long id, long destinationId, string recoveryId, ConfigStore store, TimeProvider time, CancellationToken cancellationToken)
    {
        if (await FindAsync(id, destinationId, recoveryId, store, cancellationToken) is not { } order) return NoOrder(id, destinationId, recoveryId);
        if (await store.Recoveries.CancelAsync(id, destinationId, order.Id, cancellationToken) is null)
        {
            var ended = await store.Recoveries.FindAsync(id, destinationId, order.Id, cancellationToken);
            return ended is null ? NoOrder(id, destinationId, recoveryId) : Problem.Conflict($"Recovery {recoveryId} has ended already: it is {ended.Status}.");
        }

        var now = await JobEnd.WaitAsync(() => store.Recoveries.FindAsync(id, destinationId, order.Id, cancellationToken), o => o.IsOpen, time, cancellationToken);
        return now is null ? NoOrder(id, destinationId, recoveryId) : TypedResults.Ok(RecoveryAnswer.From(now));
    }

    static async Task<RecoveryOrder?> FindAsync(long id, long destinationId, string recoveryId, ConfigStore store, CancellationToken cancellationToken) =>
        long.TryParse(recoveryId, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? await store.Recoveries.FindAsync(id, destinationId, number, cancellationToken) : null;

    /// <summary>Why no order gets on at the moment: its pipeline does not run.</summary>
    static async Task<string?> WaitingForAsync(long id, ConfigStore store, CancellationToken cancellationToken) =>
        await store.Pipelines.FindAsync(id, cancellationToken) is { Status: PipelineStatus.Pause }
            ? $"The pipeline is paused; the order is carried out when it runs: POST /api/v1/pipelines/{id}/start."
            : null;

    static bool Has(PipelineDefinition pipeline, long destinationId) => pipeline.Destinations.Any(d => d.Destination.Id == destinationId);

    static IResult NoOrder(long id, long destinationId, string recoveryId) => Problem.NotFound($"Destination {destinationId} of pipeline {id} has no recovery {recoveryId}.");
}
