using Microsoft.AspNetCore.Http;
using Rosetta.Api.Bodies;
using Rosetta.Api.Problems;
using Rosetta.Core.Tables;
using Rosetta.Store;
using Rosetta.Store.Destinations;
using Rosetta.Store.Pipelines;

namespace Rosetta.Api.Pipelines;

/// <summary>
/// A table of a destination belongs to one table of one pipeline. What the names of a choice tell is refused when it is saved; patterns, and
/// destinations of other names or installations that are the same database, are found out at the destination when the table is to be copied.
/// </summary>
static class TargetChecks
{
    const int PageSize = 1000;

    /// <exception cref="RequestProblemException">422 for two entries with one target, 409 when another pipeline has it.</exception>
    public static async Task CheckAsync(
        ConfigStore store, long pipelineId, long destinationId, IReadOnlyList<TableSync> syncs, CancellationToken cancellationToken)
    {
        if (await store.Destinations.FindAsync(destinationId, cancellationToken) is not { } destination) return;
        var targets = new Dictionary<TableName, TableName>();
        var errors = new FieldErrors();
        for (var i = 0; i < syncs.Count; i++)
        {
            if (Named(syncs[i], destination) is { } named && !targets.TryAdd(named.Target, named.Source))
                errors.Add($"table_syncs[{i}].table_name_target", $"table {named.Target} is the target of {targets[named.Target]} already");
        }

        errors.ThrowIfAny("body");
        if (targets.Count == 0) return;
        var pipelines = await store.Pipelines.ListAsync(PageSize, 0, cancellationToken);
        foreach (var other in pipelines.Items.Where(p => p.Id != pipelineId))
        {
            foreach (var sync in other.Destinations.Where(d => d.Destination.Id == destinationId).SelectMany(d => d.TableSyncs))
            {
                if (Named(sync, destination) is { } taken && targets.ContainsKey(taken.Target))
                {
                    throw new RequestProblemException(
                        StatusCodes.Status409Conflict,
                        $"Table {taken.Target} of destination '{destination.Name}' belongs to pipeline '{other.Name}' (table {taken.Source}). "
                        + "Choose another table_name_target, or take the table out of that pipeline first.");
                }
            }
        }
    }

    static (TableName Source, TableName Target)? Named(TableSync sync, DestinationDefinition destination) =>
        sync.Enabled && !TablePattern.IsPattern(sync.TableName) && TableName.TryParse(sync.TableName, out var source)
            ? (source, TablePlanner.TargetOf(source, sync.TableNameTarget, destination.Config.Text("schema")))
            : null;
}
