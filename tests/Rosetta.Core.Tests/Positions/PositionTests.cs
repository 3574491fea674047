using CsCheck;
using Rosetta.Core.Positions;
using Xunit;

namespace Rosetta.Core.Tests.Positions;

public sealed class PositionTests
{
    [Fact]
    public void Should_be_ordered_by_commit_and_then_by_ordinal() =>
        Gen.Select(Gen.ULong[0, 3], Gen.Long[0, 3], Gen.ULong[0, 3], Gen.Long[0, 3]).Sample(
            (commit, ordinal, otherCommit, otherOrdinal) =>
            {
                var (a, b) = (new Position(new Lsn(commit), ordinal), new Position(new Lsn(otherCommit), otherOrdinal));
                var expected = (commit, ordinal).CompareTo((otherCommit, otherOrdinal));
                Assert.Equal(Math.Sign(expected), Math.Sign(a.CompareTo(b)));
                Assert.Equal(expected < 0, a < b);
                Assert.Equal(expected > 0, a > b);
                Assert.Equal(expected <= 0, a <= b);
                Assert.Equal(expected >= 0, a >= b);
                Assert.Equal(expected == 0, a == b);
            },
            Console.WriteLine);

    [Fact]
    public void Should_show_commit_and_ordinal() =>
        Assert.Equal("16/B374D848#7", new Position(Lsn.Parse("16/B374D848"), 7).ToString());
}
