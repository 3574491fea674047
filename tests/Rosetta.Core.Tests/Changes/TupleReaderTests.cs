using System.Text;
using Rosetta.Core.Changes;
using Xunit;

namespace Rosetta.Core.Tests.Changes;

public sealed class TupleReaderTests
{
    [Fact]
    public void Should_walk_every_kind_of_value_in_place()
    {
        byte[] bytes =
        [
            0xEE, 0xEE, 0xEE,
            0, 5,
            (byte)'t', 0, 0, 0, 2, (byte)'4', (byte)'2',
            (byte)'n',
            (byte)'u',
            (byte)'b', 0, 0, 0, 4, 0, 0, 0, 42,
            (byte)'t', 0, 0, 0, 0,
            0xEE,
        ];
        var reader = new TupleReader(bytes, 3);
        Assert.Equal(5, reader.Columns);
        Assert.Equal(-1, reader.Column);

        Assert.True(reader.Read());
        Assert.Equal((0, ValueKind.Text, "42"), (reader.Column, reader.Kind, Encoding.UTF8.GetString(reader.Value)));
        Assert.Equal(10, reader.ValueOffset);
        Assert.Equal(12, reader.Offset);

        Assert.True(reader.Read());
        Assert.Equal((1, ValueKind.Null, 0), (reader.Column, reader.Kind, reader.Value.Length));

        Assert.True(reader.Read());
        Assert.Equal((2, ValueKind.Unchanged, 0), (reader.Column, reader.Kind, reader.Value.Length));

        Assert.True(reader.Read());
        Assert.Equal((3, ValueKind.Binary), (reader.Column, reader.Kind));
        Assert.Equal([0, 0, 0, 42], reader.Value.ToArray());

        Assert.True(reader.Read());
        Assert.Equal((4, ValueKind.Text, 0), (reader.Column, reader.Kind, reader.Value.Length));

        Assert.False(reader.Read());
        Assert.Equal(bytes.Length - 1, reader.Offset);
    }

    [Fact]
    public void Should_read_a_tuple_without_columns()
    {
        var reader = new TupleReader([0, 0], 0);
        Assert.Equal(0, reader.Columns);
        Assert.False(reader.Read());
        Assert.Equal(2, reader.Offset);
    }

    [Fact]
    public void Should_refuse_a_value_that_is_cut_off() =>
        Assert.Throws<ArgumentOutOfRangeException>(() =>
        {
            var reader = new TupleReader([0, 1, (byte)'t', 0, 0, 0, 9, 1], 0);
            reader.Read();
        });
}
