using Rosetta.Actors.Backfills;
using Rosetta.Actors.Destinations;
using Xunit;

namespace Rosetta.Actors.Tests.Backfills;

public sealed class BackfillTallyTests
{
    static ChunkJobReport Report(ChunkJobState state, long rows, long? total = 100, string? error = null) => new("j", state, rows, total, 0, 0, 0, null, error);

    [Fact]
    public void Should_not_have_begun_before_a_destination_is_at_it()
    {
        var tally = new BackfillTally([1, 2]);
        Assert.False(tally.HasBegun);
        tally.Take(2, new ChunkJobReport("j", ChunkJobState.Running, 0, null, 0, 0, 0, null, null));
        Assert.False(tally.HasBegun);
        tally.Take(2, new ChunkJobReport("j", ChunkJobState.Running, 0, 100, 0, 0, 0, null, null));
        Assert.True(tally.HasBegun);
    }

    [Fact]
    public void Should_count_what_every_destination_has_got()
    {
        var tally = new BackfillTally([1, 2]);
        Assert.Equal((0, null, 0d), (tally.Rows, tally.Total, tally.Progress));
        tally.Take(1, Report(ChunkJobState.Running, 50));
        Assert.Equal((0, 100, 25d), (tally.Rows, tally.Total, tally.Progress));
        tally.Take(2, Report(ChunkJobState.Running, 10));
        Assert.Equal((10, 60, 30d), (tally.Rows, tally.RowsEverywhere, tally.Progress));
        // More than there were at the start: never beyond the whole, which is for the end.
        tally.Take(2, Report(ChunkJobState.Running, 1_000));
        tally.Take(1, Report(ChunkJobState.Completed, 100));
        Assert.Equal(99.9, tally.Progress);
        Assert.False(tally.AllHaveEnded);
    }

    [Theory]
    [InlineData(ChunkJobState.Completed, ChunkJobState.Completed, "COMPLETED")]
    [InlineData(ChunkJobState.Completed, ChunkJobState.Cancelled, "CANCELLED")]
    [InlineData(ChunkJobState.Cancelled, ChunkJobState.Failed, "FAILED")]
    public void Should_end_as_the_worst_of_its_destinations(ChunkJobState first, ChunkJobState second, string status)
    {
        var tally = new BackfillTally([1, 2]);
        tally.Take(1, Report(first, 1));
        tally.Take(2, Report(second, 1, error: second == ChunkJobState.Failed ? "why" : null));
        Assert.True(tally.AllHaveEnded);
        Assert.Equal((status, status == "FAILED" ? "Destination 2: why" : null), tally.Outcome);
    }
}
