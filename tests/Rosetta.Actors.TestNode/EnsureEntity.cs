using System.Text.Json.Serialization;
using Rosetta.Actors.Cluster.Serialization;
using Rosetta.Actors.Pipelines;

namespace Rosetta.Actors.TestNode;

/// <summary>Starts the entity of a pipeline where there is none.</summary>
public sealed record EnsureEntity(long PipelineId) : IPipelineMessage, IRosettaWireMessage;

/// <summary>The messages of the test node that cross nodes.</summary>
[JsonSerializable(typeof(EnsureEntity))]
public sealed partial class TestWireJson : JsonSerializerContext
{
    public static WireMessages Messages => new([new WireMessage("te", Default.EnsureEntity)]);
}
