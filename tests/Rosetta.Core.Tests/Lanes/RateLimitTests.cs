using Rosetta.Core.Lanes;
using Xunit;

namespace Rosetta.Core.Tests.Lanes;

public sealed class RateLimitTests
{
    [Fact]
    public void Should_spread_amounts_over_time_however_they_are_cut()
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        var limit = new RateLimit(1_000);
        var (now, taken) = (TimeSpan.FromSeconds(5), 0.0);
        while (taken < 20_000)
        {
            var amount = random.Next(1, 900);
            now += limit.Take(amount, now);
            taken += amount;
        }

        Assert.True(Math.Abs((now - TimeSpan.FromSeconds(5)).TotalSeconds - (taken / 1_000)) < 0.25, $"seed {seed}: {taken} took {now - TimeSpan.FromSeconds(5)}");
    }

    [Fact]
    public void Should_not_save_up_what_was_not_used()
    {
        var limit = new RateLimit(1_000);
        limit.Take(1, TimeSpan.Zero);
        var wait = limit.Take(10_000, TimeSpan.FromMinutes(10));
        Assert.InRange(wait.TotalSeconds, 9.7, 10);
    }

    [Fact]
    public void Should_not_hold_anybody_without_a_limit() => Assert.Equal(TimeSpan.Zero, new RateLimit(0).Take(long.MaxValue, TimeSpan.FromSeconds(1)));
}
