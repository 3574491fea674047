using Rosetta.Core.Changes;
using Rosetta.Postgres.Replication;
using Xunit;

namespace Rosetta.Postgres.Tests.Replication;

public sealed class PgOutputDecoderTests
{
    static readonly byte[] Begin = [(byte)'B', 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 7];

    [Theory]
    [InlineData("S0000000101")] // Stream Start: protocol version 2
    [InlineData("I000000014e0000")] // a relation that was not described
    [InlineData("U0000")] // cut off
    [InlineData("B00")]
    [InlineData("R00000001610062")]
    public void Should_refuse_what_it_does_not_understand(string message)
    {
        byte[] bytes = [(byte)message[0], .. Convert.FromHexString(message.AsSpan(1, (message.Length - 1) / 2 * 2))];
        var decoder = new PgOutputDecoder(new ChangeBatchBuilder());
        Assert.Throws<InvalidDataException>(() => decoder.Decode(bytes));
    }

    [Fact]
    public void Should_refuse_an_old_tuple_of_unknown_kind()
    {
        var builder = new ChangeBatchBuilder();
        var decoder = new PgOutputDecoder(builder);
        decoder.Decode(Begin);
        decoder.Decode([(byte)'R', 0, 0, 0, 1, 0, (byte)'t', 0, (byte)'d', 0, 0]);
        Assert.Equal("pg_catalog", decoder.Relations[1].Schema);
        Assert.Throws<InvalidDataException>(() => decoder.Decode([(byte)'D', 0, 0, 0, 1, (byte)'X', 0, 0]));
        Assert.Throws<InvalidDataException>(() => decoder.Decode([(byte)'I', 0, 0, 0, 1, (byte)'K', 0, 0]));
    }
}
