using Rosetta.Postgres.Destination.Apply;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>How many changes are tried together, as failures come and go.</summary>
public sealed class RunSizesTests
{
    [Fact]
    public void Should_try_fewer_changes_together_the_more_of_them_fail()
    {
        double[] shares = [0.00001, 0.0001, 0.001, 0.01, 0.019];

        var sizes = shares.Select(RunSizes.Of).ToList();

        Assert.Equal(sizes.OrderDescending(), sizes);
        Assert.True(sizes[0] > 10 * sizes[^1], string.Join(' ', sizes));
        Assert.All(sizes, s => Assert.InRange(s, RunSizes.Part, 4096));
    }

    [Theory]
    [InlineData(0.00001)]
    [InlineData(0.001)]
    [InlineData(0.05)]
    [InlineData(1)]
    public void Should_send_a_run_at_least_before_its_outcome_is_waited_for(double share) =>
        Assert.True(RunSizes.Sent(share) >= Math.Min(RunSizes.Of(share), 128), $"{RunSizes.Of(share)} {RunSizes.Sent(share)}");

    [Fact]
    public void Should_name_one_guilty_change_after_the_other_only_where_they_are_rare()
    {
        Assert.False(RunSizes.NamesAll(0.001));
        Assert.True(RunSizes.NamesAll(0.02));
        Assert.Equal(RunSizes.OfMany, RunSizes.Of(0.5));
    }

    [Fact]
    public void Should_believe_in_one_failure_in_a_thousand_before_anything_is_known() => Assert.Equal(0.001, new FailureShare().Value, 6);

    [Fact]
    public void Should_follow_the_share_that_fails_now_and_forget_what_failed_once()
    {
        var share = new FailureShare();

        for (var i = 0; i < 20; i++)
            share.Note(1000, 500);
        var high = share.Value;
        for (var i = 0; i < 200; i++)
            share.Note(1000, 0);

        Assert.InRange(high, 0.4, 0.5);
        // Never zero: what is divided by it stays finite.
        Assert.InRange(share.Value, double.Epsilon, 0.001);
    }
}
