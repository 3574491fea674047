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
sealed class TargetChecks
{
    readonly DestinationDefinition _destination;
    readonly ILookup<TableName, (ChosenTable Choice, TableName Source)> _taken;

    TargetChecks(DestinationDefinition destination, IEnumerable<ChosenTable> chosen)
    {
        _destination = destination;
        _taken = chosen.Where(c => c.Enabled).Select(c => (Choice: c, Named: Named(c.TableName, c.TableNameTarget))).Where(c => c.Named is not null)
            .ToLookup(c => c.Named!.Value.Target, c => (c.Choice, c.Named!.Value.Source));
    }

    /// <summary>With what is chosen for the destination now; null when there is no such destination.</summary>
    public static async Task<TargetChecks?> ReadAsync(ConfigStore store, long destinationId, CancellationToken cancellationToken) =>
        await store.Destinations.FindAsync(destinationId, cancellationToken) is { } destination
            ? new TargetChecks(destination, await store.PipelineDestinations.ChosenTablesAsync(destinationId, cancellationToken))
            : null;

    /// <inheritdoc cref="Check"/>
    public static async Task CheckAsync(
        ConfigStore store, long pipelineId, long destinationId, IReadOnlyList<TableSync> syncs, CancellationToken cancellationToken)
    {
        if (syncs.Count > 0 && await ReadAsync(store, destinationId, cancellationToken) is { } targets) targets.Check(pipelineId, syncs);
    }

    /// <summary>Whether a pipeline may have these tables.</summary>
    /// <exception cref="RequestProblemException">422 for two entries with one target, 409 when another pipeline has it.</exception>
    public void Check(long pipelineId, IReadOnlyList<TableSync> syncs)
    {
        var targets = new Dictionary<TableName, TableName>();
        var errors = new FieldErrors();
        for (var i = 0; i < syncs.Count; i++)
        {
            if (syncs[i].Enabled && Named(syncs[i].TableName, syncs[i].TableNameTarget) is { } named && !targets.TryAdd(named.Target, named.Source))
                errors.Add($"table_syncs[{i}].table_name_target", $"table {named.Target} is the target of {targets[named.Target]} already");
        }

        errors.ThrowIfAny("body");
        foreach (var target in targets.Keys)
        {
            foreach (var (choice, source) in _taken[target].Where(t => t.Choice.PipelineId != pipelineId))
            {
                throw new RequestProblemException(
                    StatusCodes.Status409Conflict,
                    $"Table {target} of destination '{_destination.Name}' belongs to pipeline '{choice.Pipeline}' (table {source}). "
                    + "Choose another table_name_target, or take the table out of that pipeline first.");
            }
        }
    }

    (TableName Source, TableName Target)? Named(string name, string? target) =>
        !TablePattern.IsPattern(name) && TableName.TryParse(name, out var source)
            ? (source, TablePlanner.TargetOf(source, target, _destination.Config.Text("schema")))
            : null;
}
