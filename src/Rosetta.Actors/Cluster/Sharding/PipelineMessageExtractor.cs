using System.Globalization;
using Akka.Cluster.Sharding;
using Rosetta.Actors.Pipelines;

namespace Rosetta.Actors.Cluster.Sharding;

/// <summary>Entity id and shard id are the pipeline's id: pipelines are few and heavy, so each is placed, moved and counted alone.</summary>
public sealed class PipelineMessageExtractor : IMessageExtractor
{
    public static PipelineMessageExtractor Instance { get; } = new();

    // Null tells the region that a message is not for an entity.
    public string? EntityId(object message) => message is IPipelineMessage pipeline ? Text(pipeline.PipelineId) : null;

    public object EntityMessage(object message) => message;

    public string? ShardId(object message) => message is IPipelineMessage pipeline ? Text(pipeline.PipelineId) : null;

    public string ShardId(string entityId, object? messageHint = null) => entityId;

    static string Text(long id) => id.ToString(CultureInfo.InvariantCulture);
}
