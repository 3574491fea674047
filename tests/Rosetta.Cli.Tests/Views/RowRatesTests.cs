using Microsoft.Extensions.Time.Testing;
using Rosetta.Cli.Views;
using Rosetta.Client.Answers;
using Xunit;

namespace Rosetta.Cli.Tests.Views;

public sealed class RowRatesTests
{
    readonly FakeTimeProvider _time = new();

    [Fact]
    public void Should_average_over_the_last_seconds_only()
    {
        var rates = new RowRates(_time);
        rates.Observe(At(0));
        for (var second = 1; second <= 20; second++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            rates.Observe(At(second <= 10 ? second * 1000 : 10_000 + (second - 10) * 10));
        }
        Assert.Equal(10, rates.Of(1), precision: 3);
    }

    [Fact]
    public void Should_begin_anew_when_a_counter_falls()
    {
        var rates = new RowRates(_time);
        rates.Observe(At(5000));
        _time.Advance(TimeSpan.FromSeconds(1));
        rates.Observe(At(10));
        Assert.Equal(0, rates.Of(1));
        _time.Advance(TimeSpan.FromSeconds(1));
        rates.Observe(At(110));
        Assert.Equal(100, rates.Of(1), precision: 3);
    }

    [Fact]
    public void Should_be_zero_for_a_destination_never_seen() => Assert.Equal(0, new RowRates(_time).Of(9));

    static Pipeline At(long rows) => new(
        1, "p", 1, "START", new PipelineRuntime("RUNNING", null, null, null, null, null, null, null, null, null),
        [
            new PipelineDestination(
                1, "d", "POSTGRES", "HEALTHY", "ATTACHED", null, 0, 0, 0, null, null, null,
                [new DestinationTable("public.t", null, "STREAMING", 0, 0, rows, 0, 0, null, null)])
        ]);
}
