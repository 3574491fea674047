using Microsoft.AspNetCore.Http;
using Rosetta.Api.Pipelines;
using Rosetta.Api.Problems;
using Rosetta.Api.Sources;
using Rosetta.Store;

namespace Rosetta.Api.Configuration;

/// <summary>
/// Diff and application of a file. Both begin with a run that is taken back, and with what only the sources can tell. An application then runs once more
/// and keeps it: one transaction of the config database. Only the slots of deleted pipelines are outside of it; they are dropped last, before the commit.
/// </summary>
sealed class ConfigApplication(ConfigStore store, TimeProvider time)
{
    /// <summary>What would be changed; nothing is.</summary>
    /// <exception cref="RequestProblemException">422: the file cannot be taken; 503: a source that must be asked is away.</exception>
    public async Task<ConfigRun> DiffAsync(ConfigSubmission submission, CancellationToken cancellationToken)
    {
        var run = await store.TransactAsync(within => ConfigRun.RunAsync(within, submission, cancellationToken), _ => false, cancellationToken);
        foreach (var choice in run.Choices.Where(c => c.Change.Refused is null))
        {
            try
            {
                choice.Change.Warnings = await TableSyncChecks.CheckAsync(choice.Source, choice.TableSyncs, cancellationToken);
            }
            catch (RequestProblemException e) when (e.Errors is not null)
            {
                run.Errors.AddBelow(choice.Path, e.Errors);
            }
        }

        submission.Errors.ThrowIfAny(run.Errors);
        foreach (var deleted in run.Deleted.Where(d => d.Slot is not null)) deleted.Change.Refused ??= await IsAwayAsync(deleted, cancellationToken);
        return run;
    }

    /// <summary>Makes the changes, all or, when one is refused, none.</summary>
    /// <exception cref="RequestProblemException">As of a diff, and 503 when a slot could not be dropped after all: then nothing is changed either.</exception>
    public async Task<ConfigRun> ApplyAsync(ConfigSubmission submission, CancellationToken cancellationToken)
    {
        var plan = await DiffAsync(submission, cancellationToken);
        if (plan.IsRefused || plan.IsEmpty) return plan;

        var shutOut = plan.Deleted.Where(d => d.Slot is not null).Select(d => d.Pipeline.Id).ToHashSet();
        foreach (var id in shutOut) await PipelineRemoval.ShutOutAsync(store, id, cancellationToken);
        // From here on a caller that goes away changes nothing any more.
        return await store.TransactAsync(
            async within =>
            {
                var run = await ConfigRun.RunAsync(within, submission, CancellationToken.None);
                foreach (var warned in plan.Changes.Where(c => c.Warnings.Count > 0))
                    run.Changes.First(c => c.Object == warned.Object && c.Name == warned.Name).Warnings = warned.Warnings;
                foreach (var late in run.Deleted.Where(d => d.Slot is not null && !shutOut.Contains(d.Pipeline.Id)))
                    late.Change.Refused ??= $"Pipeline '{late.Pipeline.Name}' was started meanwhile. Try again.";
                if (!run.IsRefused) await DropSlotsAsync(run);
                return run;
            },
            run => !run.IsRefused, CancellationToken.None);
    }

    async Task DropSlotsAsync(ConfigRun run)
    {
        var dropped = new List<string>();
        foreach (var deleted in run.Deleted.Where(d => d.Slot is not null))
        {
            if (await PipelineRemoval.DropAsync(store, deleted.Pipeline, deleted.Slot!, time, CancellationToken.None) is { } failure)
            {
                var done = dropped.Count == 0 ? "" : $" The slots of {string.Join(", ", dropped)} are dropped already: these pipelines begin with a resync if they are started.";
                throw new RequestProblemException(
                    StatusCodes.Status503ServiceUnavailable,
                    $"Nothing was applied: the slot '{deleted.Slot!.SlotName}' of pipeline '{deleted.Pipeline.Name}' could not be dropped: {failure}{done} "
                    + "Apply it again, or delete the pipeline by itself.");
            }

            dropped.Add($"'{deleted.Pipeline.Name}'");
        }
    }

    /// <summary>Why a pipeline's slot could not be dropped now; null when its source answers.</summary>
    static async Task<string?> IsAwayAsync(DeletedPipeline deleted, CancellationToken cancellationToken)
    {
        try
        {
            await SourceAccess.RunAsync(
                deleted.Pipeline.Source,
                async (database, token) =>
                {
                    await using var connection = await database.OpenAsync(token);
                    return true;
                },
                cancellationToken);
            return null;
        }
        catch (RequestProblemException e)
        {
            return $"{e.Message} The slot '{deleted.Slot!.SlotName}' would be left there and hold WAL. Try again, or delete the pipeline with ?force=true and drop it by hand.";
        }
    }
}
