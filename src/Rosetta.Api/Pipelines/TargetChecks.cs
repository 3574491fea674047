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
    /// <exception cref="RequestProblemException">422 for two entries with one target, 409 when another pipeline has it.</exception>
    public static async Task CheckAsync(
        ConfigStore store, long pipelineId, long destinationId, IReadOnlyList<TableSync> syncs, CancellationToken cancellationToken)
    {
        if (await store.Destinations.FindAsync(destinationId, cancellationToken) is not { } destination) return;
        var targets = new Dictionary<TableName, TableName>();
        var errors = new FieldErrors();
        for (var i = 0; i < syncs.Count; i++)
        {
            if (syncs[i].Enabled && Named(syncs[i].TableName, syncs[i].TableNameTarget, destination) is { } named && !targets.TryAdd(named.Target, named.Source))
                errors.Add($"table_syncs[{i}].table_name_target", $"table {named.Target} is the target of {targets[named.Target]} already");
        }

        errors.ThrowIfAny("body");
        if (targets.Count == 0) return;
        foreach (var other in await store.PipelineDestinations.ChosenTablesAsync(destinationId, pipelineId, cancellationToken))
        {
            if (other.Enabled && Named(other.TableName, other.TableNameTarget, destination) is { } taken && targets.ContainsKey(taken.Target))
            {
                throw new RequestProblemException(
                    StatusCodes.Status409Conflict,
                    $"Table {taken.Target} of destination '{destination.Name}' belongs to pipeline '{other.Pipeline}' (table {taken.Source}). "
                    + "Choose another table_name_target, or take the table out of that pipeline first.");
            }
        }
    }

    static (TableName Source, TableName Target)? Named(string name, string? target, DestinationDefinition destination) =>
        !TablePattern.IsPattern(name) && TableName.TryParse(name, out var source)
            ? (source, TablePlanner.TargetOf(source, target, destination.Config.Text("schema")))
            : null;
}
