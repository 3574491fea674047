using Rosetta.Actors.Destinations;
using Rosetta.Actors.Verification;
using Xunit;

namespace Rosetta.Actors.Tests.Backfills;

public sealed class VerifyTallyTests
{
    static ChunkJobReport Report(ChunkJobState state, long inserted = 0, long updated = 0, long deleted = 0, string? error = null) =>
        new("j", state, 100, 100, inserted, updated, deleted, null, error);

    [Fact]
    public void Should_tell_equal_from_different_repaired_and_not_compared()
    {
        foreach (var (repair, found) in ((bool, string)[])[(false, "DIFFERENT"), (true, "REPAIRED")])
        {
            var tally = new VerifyTally(repair);
            foreach (var table in (string[])["a", "b", "c"]) tally.Expect(1, table);
            tally.Take(1, "a", Report(ChunkJobState.Running, 1));
            Assert.Equal("COMPARING", tally.Results.Single(r => r.TableName == "a").State);
            Assert.False(tally.AllHaveEnded);
            tally.Take(1, "a", Report(ChunkJobState.Completed, 1, 2, 3));
            tally.Take(1, "b", Report(ChunkJobState.Completed));
            tally.Take(1, "c", Report(ChunkJobState.Failed, error: "why"));
            Assert.True(tally.AllHaveEnded);
            Assert.Equal([found, "EQUAL", "NOT_COMPARED"], tally.Results.OrderBy(r => r.TableName).Select(r => r.State));
            var different = tally.Results.Single(r => r.TableName == "a");
            Assert.Equal((1, 2, 3), (different.Missing, different.Differing, different.Extra));
            Assert.Equal("why", tally.Results.Single(r => r.TableName == "c").Error);
        }
    }

    [Fact]
    public void Should_follow_a_table_that_differs_as_a_whole_until_it_has_been_copied_again()
    {
        var tally = new VerifyTally(repair: true);
        foreach (var table in (string[])["a", "b"]) tally.Expect(1, table);
        var differs = Report(ChunkJobState.Completed) with { Difference = "It differs." };
        tally.Take(1, "a", differs);
        Assert.Equal(("DIFFERENT", "It differs."), tally.Results.Where(r => r.TableName == "a").Select(r => (r.State, r.Error)).Single());
        foreach (var table in (string[])["a", "b"]) tally.Replaces(1, table, differs);
        Assert.False(tally.AllHaveEnded);
        tally.Replaced(1, "a", null);
        tally.Replaced(1, "b", "why");
        Assert.Equal(["REPAIRED", "DIFFERENT"], tally.Results.OrderBy(r => r.TableName).Select(r => r.State));
        Assert.Contains("why", tally.Results.Single(r => r.TableName == "b").Error, StringComparison.Ordinal);
    }
}
