using Rosetta.Cli.Views;
using Xunit;

namespace Rosetta.Cli.Tests.Views;

public sealed class QuantitiesTests
{
    [Theory]
    [InlineData(null, "-")]
    [InlineData(0L, "0 B")]
    [InlineData(999L, "999 B")]
    [InlineData(1000L, "1.0 kB")]
    [InlineData(1536L, "1.5 kB")]
    [InlineData(10L * 1024 * 1024, "10 MB")]
    [InlineData(1023L * 1024, "1.0 MB")]
    [InlineData(5L * 1024 * 1024 * 1024 * 1024 * 1024, "5120 TB")]
    public void Should_show_bytes_in_three_digits(long? bytes, string text) => Assert.Equal(text, Quantities.Bytes(bytes));

    [Theory]
    [InlineData(null, "-")]
    [InlineData(0.04, "0.0 s")]
    [InlineData(42.4, "42 s")]
    [InlineData(200.0, "3 m 20 s")]
    [InlineData(7500.0, "2 h 5 m")]
    public void Should_show_seconds_in_the_unit_that_fits(double? seconds, string text) => Assert.Equal(text, Quantities.Seconds(seconds));
}
