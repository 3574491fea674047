using Microsoft.AspNetCore.Http;
using Rosetta.Api.Bodies;
using Rosetta.Api.Problems;
using Rosetta.Api.Sources;
using Rosetta.Core.Errors;
using Rosetta.Core.Pipelines;
using Rosetta.Postgres.Source;
using Rosetta.Store;
using Rosetta.Store.Monitoring;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Runtime;

namespace Rosetta.Api.Pipelines;

/// <summary>Deletes a pipeline: shuts its incarnations out, drops what it has at the source, then its rows.</summary>
static class PipelineRemoval
{
    public static async Task<IResult> RemoveAsync(long id, HttpContext context, ConfigStore store, TimeProvider time, CancellationToken cancellationToken)
    {
        var force = ReadForce(context.Request);
        if (await store.Pipelines.FindAsync(id, cancellationToken) is not { } pipeline) return PipelineReader.NoPipeline(id);
        if (pipeline.Status == PipelineStatus.Start)
            return Problem.Conflict($"Pipeline '{pipeline.Name}' is started. Pause it before deleting it (POST /api/v1/pipelines/{id}/pause).");

        if (await store.SlotRecords.FindAsync(id, cancellationToken) is { } slot)
        {
            await ShutOutAsync(store, id, cancellationToken);
            if (await DropAsync(store, pipeline, slot, time, cancellationToken) is { } failure)
            {
                if (!force)
                {
                    return Problem.Away(
                        $"{failure} The slot '{slot.SlotName}' would be left there and hold WAL. Try again, or delete with ?force=true and drop it by hand.");
                }

                await store.Notifications.RaiseAsync(Left(pipeline, slot, failure), cancellationToken);
            }
        }

        return (await store.Pipelines.DeleteAsync(id, cancellationToken)).Answer(_ => TypedResults.NoContent());
    }

    /// <summary>Whoever may still be draining it is shut out: nothing is acknowledged or reported any more.</summary>
    public static Task ShutOutAsync(ConfigStore store, long id, CancellationToken cancellationToken) =>
        store.Epochs.IssueAsync(id, "deleted through the API", cancellationToken);

    /// <summary>Null when the source has nothing of the pipeline any more, otherwise why not.</summary>
    public static async Task<string?> DropAsync(
        ConfigStore store, PipelineDefinition pipeline, SlotRecord slot, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            await SourceAccess.RunAsync(
                pipeline.Source,
                async (database, token) =>
                {
                    var slots = new Slots(database, time);
                    // On another server than the one it was made on, a slot of that name is somebody else's.
                    var ours = (await slots.IdentifyAsync(null, token)).SystemIdentifier == slot.SystemIdentifier
                        && await slots.DropAsync(slot.SlotName, SessionName.PrefixOf(store.Installation.Uuid, pipeline.Id), token);
                    await new Publications(database, pipeline.Source.PublicationName, store.Installation.Uuid).DropOwnAsync(pipeline.Id, token);
                    return ours;
                },
                cancellationToken);
            return null;
        }
        catch (Exception e) when (e is RequestProblemException or FaultException)
        {
            return e.Message;
        }
    }

    static NewNotification Left(PipelineDefinition pipeline, SlotRecord slot, string failure) => new(
        NotificationSeverity.Warning, $"slot-left:{pipeline.Source.Id}:{slot.SlotName}",
        $"Pipeline '{pipeline.Name}' was deleted and its slot '{slot.SlotName}' at source '{pipeline.Source.Name}' could not be dropped: {failure}",
        $"At the source: SELECT pg_drop_replication_slot('{slot.SlotName}');");

    static bool ReadForce(HttpRequest request)
    {
        if (!request.Query.TryGetValue("force", out var value)) return false;
        if (bool.TryParse(value, out var force)) return force;
        var errors = new FieldErrors();
        errors.Add("force", "must be true or false");
        errors.ThrowIfAny("query");
        return false;
    }
}
