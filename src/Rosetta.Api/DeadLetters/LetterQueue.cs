using Microsoft.AspNetCore.Http;
using Rosetta.Api.Problems;
using Rosetta.Core.DeadLetters;
using Rosetta.Store;
using Rosetta.Store.DeadLetters;
using Rosetta.Store.Pipelines;

namespace Rosetta.Api.DeadLetters;

/// <summary>The dead letters of one destination of a pipeline, as a request names them.</summary>
/// <param name="Tries">After so many an entry waits for somebody.</param>
sealed record LetterQueue(PipelineDefinition Pipeline, PipelineDestination Attached, DeadLetterQueue Queue, IDeadLetterStore Store, int Tries)
{
    /// <exception cref="RequestProblemException">404: there is no such pipeline, or it has no such destination.</exception>
    public static async Task<LetterQueue> FindAsync(long id, long destinationId, ConfigStore config, DeadLetterAccess letters, CancellationToken cancellationToken)
    {
        if (await config.Pipelines.FindAsync(id, cancellationToken) is not { } pipeline)
            throw new RequestProblemException(StatusCodes.Status404NotFound, $"There is no pipeline {id}. GET /api/v1/pipelines lists them.");
        if (pipeline.Destinations.FirstOrDefault(d => d.Destination.Id == destinationId) is not { } attached)
            throw new RequestProblemException(StatusCodes.Status404NotFound, $"Pipeline {id} has no destination {destinationId}.");
        // Whoever has a ConfigStore has it opened.
        return new LetterQueue(
            pipeline, attached, new DeadLetterQueue(pipeline.Source.Id, id, destinationId, attached.Generation), letters.Current!, letters.Settings.MaxRetryCount);
    }

    /// <summary>The entry of that id.</summary>
    /// <exception cref="RequestProblemException">404: it is not there, or no longer.</exception>
    public async Task<DeadLetter> FindEntryAsync(string entryId, CancellationToken cancellationToken) =>
        await Store.FindAsync(Queue, entryId, cancellationToken) ?? throw new RequestProblemException(
            StatusCodes.Status404NotFound,
            $"Destination {Attached.Destination.Id} of pipeline {Pipeline.Id} has no dead letter {entryId}: it has been applied or discarded, or never was. GET .../dlq lists them.");
}
