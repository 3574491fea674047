using FluentValidation;
using Microsoft.AspNetCore.Http;
using Rosetta.Api.Bodies;
using Rosetta.Api.Problems;
using Rosetta.Api.Sources;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Wire;
using Rosetta.Store;
using Rosetta.Store.Sources;
using Rosetta.Transforms.Compilation;
using Rosetta.Transforms.Engine;
using Rosetta.Transforms.Evaluation;
using Rosetta.Transforms.Previews;

namespace Rosetta.Api.Pipelines;

sealed class PreviewTransformValidator : AbstractValidator<PreviewTransform>
{
    public PreviewTransformValidator()
    {
        RuleFor(p => p.Limit).InclusiveBetween(1, 100).WithMessage("must be 1 to 100");
        RuleFor(p => p.FilterSql).IsTransformSql();
        RuleFor(p => p.CustomSql).IsTransformSql();
    }
}

/// <summary>Shows what a transform makes of real rows, before it is saved.</summary>
static class PreviewEndpoint
{
    /// <summary>Rows of the source that are looked at.</summary>
    const int MostRead = 500;

    public static async Task<IResult> RunAsync(
        long id, long destinationId, HttpContext context, Body<PreviewTransform> body, ConfigStore store, CancellationToken cancellationToken)
    {
        if (await store.Pipelines.FindAsync(id, cancellationToken) is not { } pipeline) return PipelineReader.NoPipeline(id);
        if (pipeline.Destinations.All(d => d.Destination.Id != destinationId)) return PipelineReader.NoDestination(id, destinationId);
        var text = TableSegment.Of(context);
        var source = pipeline.Source;
        if (!TableName.TryParse(text, out var name)
            || await SourceAccess.RunAsync(source, (database, token) => new SourceCatalog(database).DescribeAsync(name, token), cancellationToken) is not { } table)
            return Problem.NotFound($"Source '{source.Name}' has no table '{text}'. Its tables are in GET /api/v1/sources/{source.Id}/tables.");

        var asked = body.Value;
        using var engine = new DuckEngine(EngineLimits.Interactive);
        var compiled = TransformCompiler.Compile(TransformRequest.Of(table, asked.Columns, TransformChoice.Of(asked.FilterSql, asked.CustomSql)), engine);
        var errors = new FieldErrors();
        foreach (var problem in compiled.Problems) errors.Add(problem.Field, problem.Message);
        errors.ThrowIfAny("body");
        var transform = compiled.Transform!;
        var rows = await ReadAsync(source, table, [.. transform.Needed.Select(i => transform.Columns[i].Name)], cancellationToken);
        try
        {
            var preview = TransformPreview.Of(transform, rows, asked.Limit, engine);
            return TypedResults.Ok(new PreviewAnswer(
                [.. transform.Output.Select(c => new PreviewColumn(c.Name, c.TypeSql, c.IsComputed))], preview.Rows, preview.Kept, rows.Count,
                transform.Warnings(table.ReplicaIdentity == 'f')));
        }
        catch (EvaluationException e)
        {
            return Problem.Invalid(asked.CustomSql is null ? "filter_sql" : "custom_sql", $"failed on a row of the source: {e.Message} TRY_CAST gives NULL instead of an error.");
        }
    }

    static async Task<IReadOnlyList<string?[]>> ReadAsync(SourceDefinition source, TableDescription table, IReadOnlyList<string> columns, CancellationToken cancellationToken)
    {
        try
        {
            return await RowSample.ReadAsync(source.ToEndpoint(), table, columns, MostRead, cancellationToken);
        }
        catch (PgException e)
        {
            throw new RequestProblemException(
                StatusCodes.Status503ServiceUnavailable, $"Rows of {table.Name} could not be read from source '{source.Name}': {e.Message} Its user needs SELECT on the table.");
        }
    }
}
