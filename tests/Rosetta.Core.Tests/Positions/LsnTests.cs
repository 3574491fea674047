using CsCheck;
using Rosetta.Core.Positions;
using Xunit;

namespace Rosetta.Core.Tests.Positions;

public sealed class LsnTests
{
    [Theory]
    [InlineData("0/0", 0UL)]
    [InlineData("16/B374D848", 0x16_B374D848UL)]
    [InlineData("16/b374d848", 0x16_B374D848UL)]
    [InlineData("FFFFFFFF/FFFFFFFF", ulong.MaxValue)]
    [InlineData("1/00000001", 0x1_00000001UL)]
    public void Should_read_what_postgres_prints(string text, ulong value)
    {
        Assert.True(Lsn.TryParse(text, out var lsn));
        Assert.Equal(value, lsn.Value);
    }

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("16")]
    [InlineData("16/")]
    [InlineData("/B374D848")]
    [InlineData("16/B374D848/1")]
    [InlineData("16/1B374D848")]
    [InlineData("123456789/0")]
    [InlineData("-1/0")]
    [InlineData("0x1/0")]
    [InlineData("G/0")]
    [InlineData(" 1/0")]
    [InlineData("1/0 ")]
    public void Should_refuse_what_is_no_lsn_and_say_what_one_looks_like(string text)
    {
        Assert.False(Lsn.TryParse(text, out var lsn));
        Assert.Equal(Lsn.Zero, lsn);
        Assert.Contains("16/B374D848", Assert.Throws<FormatException>(() => Lsn.Parse(text)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Should_read_back_what_it_prints() =>
        Gen.ULong.Sample(value => Lsn.Parse(new Lsn(value).ToString()) == new Lsn(value), Console.WriteLine);

    [Fact]
    public void Should_print_the_same_in_every_way()
    {
        var lsn = Lsn.Parse("16/B374D848");
        Assert.Equal("16/B374D848", $"{lsn}");
        Assert.Equal("16/B374D848", lsn.ToString(null, null));
        Span<char> exact = stackalloc char[11];
        Assert.True(lsn.TryFormat(exact, out var written, default, null));
        Assert.Equal("16/B374D848", exact[..written].ToString());
        Assert.False(lsn.TryFormat(stackalloc char[5], out _, default, null));
    }

    [Fact]
    public void Should_be_ordered_as_an_unsigned_number() =>
        Gen.Select(Gen.ULong, Gen.ULong).Sample(
            (a, b) =>
            {
                var (x, y) = (new Lsn(a), new Lsn(b));
                Assert.Equal(a < b, x < y);
                Assert.Equal(a > b, x > y);
                Assert.Equal(a <= b, x <= y);
                Assert.Equal(a >= b, x >= y);
                Assert.Equal(a.CompareTo(b), x.CompareTo(y));
                Assert.Equal(Math.Min(a, b), Lsn.Min(x, y).Value);
                Assert.Equal(Math.Max(a, b), Lsn.MaxOf(x, y).Value);
            },
            Console.WriteLine);

    [Fact]
    public void Should_count_no_bytes_backwards()
    {
        Assert.Equal(5, new Lsn(15).BytesSince(new Lsn(10)));
        Assert.Equal(0, new Lsn(10).BytesSince(new Lsn(10)));
        Assert.Equal(0, new Lsn(10).BytesSince(new Lsn(15)));
        Assert.Equal(long.MaxValue, Lsn.Max.BytesSince(Lsn.Zero));
    }

    [Fact]
    public void Should_have_zero_below_every_position()
    {
        Assert.True(Lsn.Zero.IsZero);
        Assert.True(default(Lsn).IsZero);
        Assert.False(new Lsn(1).IsZero);
        Assert.True(Lsn.Zero < new Lsn(1));
        Assert.True(new Lsn(1) < Lsn.Max);
    }
}
