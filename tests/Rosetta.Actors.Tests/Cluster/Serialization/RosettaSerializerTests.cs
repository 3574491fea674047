using System.Runtime.Serialization;
using System.Text;
using System.Text.Json.Serialization;
using Akka.Actor;
using Akka.TestKit.Xunit2;
using Rosetta.Actors.Cluster.Serialization;
using Xunit;

namespace Rosetta.Actors.Tests.Cluster.Serialization;

public sealed class RosettaSerializerTests : TestKit
{
    static readonly WireMessages Messages = new(
    [
        new WireMessage("pg", SampleWireJson.Default.Ping),
        new WireMessage("st", SampleWireJson.Default.Stop),
    ]);

    RosettaSerializer Serializer => new((ExtendedActorSystem)Sys, Messages);

    public static TheoryData<IRosettaWireMessage, string, string> Table => new()
    {
        { new Ping(7, "a\"b"), "pg", """{"PipelineId":7,"Note":"a\u0022b"}""" },
        { new Ping(long.MaxValue, null), "pg", """{"PipelineId":9223372036854775807,"Note":null}""" },
        { new Stop(), "st", "{}" },
    };

    [Theory]
    [MemberData(nameof(Table))]
    public void Should_write_manifest_and_bytes_that_never_change(IRosettaWireMessage message, string manifest, string json)
    {
        Assert.Equal(manifest, Serializer.Manifest(message));
        Assert.Equal(json, Encoding.UTF8.GetString(Serializer.ToBinary(message)));
        Assert.Equal(message, Serializer.FromBinary(Encoding.UTF8.GetBytes(json), manifest));
    }

    [Fact]
    public void Should_keep_its_identifier() => Assert.Equal(1701, Serializer.Identifier);

    [Theory]
    [InlineData("zz", "{}")]
    [InlineData("", "{}")]
    [InlineData("pg", "{")]
    [InlineData("pg", "[]")]
    [InlineData("pg", "null")]
    [InlineData("pg", "")]
    public void Should_refuse_what_it_does_not_know_with_an_error_that_keeps_the_connection(string manifest, string json) =>
        Assert.Throws<SerializationException>(() => Serializer.FromBinary(Encoding.UTF8.GetBytes(json), manifest));

    [Fact]
    public void Should_name_a_type_without_manifest() =>
        Assert.Contains(nameof(Unlisted), Assert.Throws<SerializationException>(() => Serializer.ToBinary(new Unlisted())).Message,
            StringComparison.Ordinal);

    [Fact]
    public void Should_ignore_fields_of_a_newer_version() =>
        Assert.Equal(new Ping(1, null), Serializer.FromBinary("""{"PipelineId":1,"Colour":"red"}"""u8.ToArray(), "pg"));

    [Fact]
    public void Should_refuse_a_table_with_a_manifest_used_twice() =>
        Assert.Throws<ArgumentException>(() => new WireMessages(
            [new WireMessage("x", SampleWireJson.Default.Ping), new WireMessage("x", SampleWireJson.Default.Stop)]));

    public sealed record Ping(long PipelineId, string? Note) : IRosettaWireMessage;

    public sealed record Stop : IRosettaWireMessage;

    sealed record Unlisted : IRosettaWireMessage;
}

[JsonSerializable(typeof(RosettaSerializerTests.Ping))]
[JsonSerializable(typeof(RosettaSerializerTests.Stop))]
sealed partial class SampleWireJson : JsonSerializerContext;
