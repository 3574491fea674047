namespace Rosetta.Core.DeadLetters;

/// <summary>The queue of one destination of a pipeline.</summary>
/// <param name="Generation">Of the attachment: a destination that was taken out and added again has another queue.</param>
public sealed record DeadLetterQueue(long SourceId, long PipelineId, long DestinationId, Guid Generation);
