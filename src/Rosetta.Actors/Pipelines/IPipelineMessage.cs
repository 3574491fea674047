namespace Rosetta.Actors.Pipelines;

/// <summary>A message for the entity of one pipeline. The shard region finds it by <see cref="PipelineId"/>, on whichever node it runs.</summary>
public interface IPipelineMessage
{
    /// <summary>The pipeline's id in the config database.</summary>
    long PipelineId { get; }
}
