using Microsoft.AspNetCore.Http;
using Rosetta.Api.Problems;
using Rosetta.Store;
using Rosetta.Store.Configuration;
using Rosetta.Store.Pipelines;

namespace Rosetta.Api.Pipelines;

/// <summary>Reads pipelines as they are shown.</summary>
static class PipelineReader
{
    public static async Task<PipelineAnswer> ReadAsync(ConfigStore store, PipelineDefinition pipeline, CancellationToken cancellationToken)
    {
        var statuses = await store.Status.ReadAsync([pipeline.Id], cancellationToken);
        return PipelineViews.ToAnswer(pipeline, statuses.GetValueOrDefault(pipeline.Id));
    }

    public static async Task<IReadOnlyList<PipelineAnswer>> ReadAsync(ConfigStore store, Page<PipelineDefinition> page, CancellationToken cancellationToken)
    {
        var statuses = await store.Status.ReadAsync([.. page.Items.Select(p => p.Id)], cancellationToken);
        return [.. page.Items.Select(p => PipelineViews.ToAnswer(p, statuses.GetValueOrDefault(p.Id)))];
    }

    /// <summary>The pipeline as it is after a write.</summary>
    public static async Task<IResult> AnswerAsync(
        this StoreResult<PipelineDefinition> result, ConfigStore store, Func<PipelineAnswer, IResult> saved, CancellationToken cancellationToken,
        string referenceField = "id")
    {
        var answer = result.IsSaved ? await ReadAsync(store, result.Value!, cancellationToken) : null;
        return result.Answer(_ => saved(answer!), referenceField);
    }

    public static IResult NoPipeline(long id) => Problem.NotFound($"There is no pipeline {id}. GET /api/v1/pipelines lists them.");

    public static IResult NoDestination(long id, long destinationId) => Problem.NotFound($"Pipeline {id} has no destination {destinationId}.");
}
