using Rosetta.Core.Destinations;
using Rosetta.Store.Configuration;
using Rosetta.Store.Pipelines;

namespace Rosetta.Actors.Pipelines;

/// <summary>The attachments that the config database knows. When it is away every one may exist.</summary>
sealed class ConfiguredAttachments(PipelineRepository pipelines) : IAttachments
{
    public async Task<bool> MayExistAsync(long pipelineId, long destinationId, CancellationToken cancellationToken)
    {
        try
        {
            return await pipelines.FindAsync(pipelineId, cancellationToken).ConfigureAwait(false) is { } pipeline
                && pipeline.Destinations.Any(d => d.Destination.Id == destinationId);
        }
        catch (ConfigDatabaseUnavailableException)
        {
            return true;
        }
    }
}
