using Rosetta.Actors.Destinations;
using Xunit;

namespace Rosetta.Actors.Tests.Destinations;

public sealed class CopyLimitsTests
{
    static readonly CopyLimits All = new(0, 0, LagBytes: 100, RetainedBytes: 1_000, SourceBackends: 4);

    [Theory]
    [InlineData(101, null, null, true, "CopyLag")]
    [InlineData(100, 1_000L, 4, true, null)]
    [InlineData(0, 1_001L, null, true, "CopyRetainedWal")]
    [InlineData(0, null, 5, false, "CopySourceBackends")]
    public void Should_stop_past_a_bound_and_say_which(long lag, long? retained, int? backends, bool streams, string? setting)
    {
        var reason = All.Stops(lag, retained, backends, streams);
        if (setting is null)
            Assert.Null(reason);
        else
            Assert.Contains(setting, reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Should_not_stop_a_first_copy_for_the_slot_that_it_holds_itself() => Assert.Null(All.Stops(0, long.MaxValue, 0, streams: false));

    [Fact]
    public void Should_never_stop_without_bounds() => Assert.Null(CopyLimits.None.Stops(long.MaxValue, long.MaxValue, int.MaxValue, true));
}
