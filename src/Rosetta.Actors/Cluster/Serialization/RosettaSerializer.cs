using System.Runtime.Serialization;
using System.Text.Json;
using Akka.Actor;
using Akka.Serialization;

namespace Rosetta.Actors.Cluster.Serialization;

/// <summary>Serializer of every <see cref="IRosettaWireMessage"/>: JSON by source-generated contracts, told apart by short manifests.</summary>
public sealed class RosettaSerializer(ExtendedActorSystem system, WireMessages messages) : SerializerWithStringManifest(system)
{
    /// <summary>Akka's identifier of this serializer; part of the wire format, never changed.</summary>
    public const int Id = 1701;

    public override int Identifier => Id;

    public override string Manifest(object o) => Known(o).Manifest;

    public override byte[] ToBinary(object obj) => Known(obj).Write(obj);

    /// <exception cref="SerializationException">
    /// Unknown manifest or malformed bytes. Akka.Remote drops such a message and logs it; any other exception would cut the connection.
    /// </exception>
    public override object FromBinary(byte[] bytes, string manifest)
    {
        var message = messages.Of(manifest)
            ?? throw new SerializationException($"unknown manifest '{manifest}': the sender runs a newer version; update this node");
        try
        {
            return message.Read(bytes) ?? throw new SerializationException($"empty message for manifest '{manifest}'");
        }
        catch (Exception failure) when (failure is JsonException or NotSupportedException)
        {
            throw new SerializationException($"malformed message for manifest '{manifest}' ({message.Type.Name})", failure);
        }
    }

    WireMessage Known(object message) => messages.Of(message.GetType())
        ?? throw new SerializationException($"{message.GetType().Name} has no manifest: add it to the wire messages of this node");
}
