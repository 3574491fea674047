using Rosetta.Api.Bodies;
using Rosetta.Api.Problems;
using Rosetta.Api.Sources;
using Rosetta.Core.Backfills;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;
using Rosetta.Store.Pipelines;

namespace Rosetta.Api.Backfills;

/// <summary>What a job names must exist: its table and columns in the source's catalog, its destinations at the pipeline.</summary>
static class BackfillChecks
{
    /// <exception cref="RequestProblemException">422 with all that is wrong; 503 when the source is away.</exception>
    public static async Task CheckAsync(PipelineDefinition pipeline, StartBackfill body, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        CheckDestinations(pipeline, body.DestinationIds, errors);
        var table = TableName.Parse(body.TableName);
        if (await SourceAccess.RunAsync(pipeline.Source, (database, token) => new SourceCatalog(database).FindAsync(table, token), cancellationToken) is not { } found)
            errors.Add("table_name", $"the source has no table {table}");
        else
        {
            FilterSql.Condition(body.Filters ?? [], found.Description, out var wrong);
            foreach (var (index, message) in wrong)
                errors.Add(index < 0 ? "filters" : $"filters[{index}]", message);
        }

        errors.ThrowIfAny("body");
    }

    public static void CheckDestinations(PipelineDefinition pipeline, IReadOnlyList<long>? ids, FieldErrors errors)
    {
        foreach (var id in (ids ?? []).Where(id => pipeline.Destinations.All(d => d.Destination.Id != id)))
            errors.Add("destination_ids", $"pipeline {pipeline.Id} has no destination {id}");
    }
}
