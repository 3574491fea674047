using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Core.Tests.DeadLetters;

public sealed class DeadLetterTests
{
    [Theory]
    [InlineData(0ul, 0L)]
    [InlineData(0x16_B374_D848ul, 7L)]
    [InlineData(ulong.MaxValue, long.MaxValue)]
    public void Should_find_the_position_that_an_id_names(ulong commit, long ordinal)
    {
        var at = new Position(new Lsn(commit), ordinal);
        var letter = new DeadLetter(new TableName("public", "t"), at, 1, 2, ChangeKind.Insert, ["1"], default, null, DateTimeOffset.UnixEpoch);

        Assert.Equal(at, DeadLetter.FindPosition(letter.Id));
    }

    [Theory]
    [InlineData("")]
    [InlineData("-")]
    [InlineData("-1")]
    [InlineData("1-")]
    [InlineData("1")]
    [InlineData("G-1")]
    [InlineData("1-A")]
    [InlineData("1--1")]
    [InlineData("1-+1")]
    [InlineData("1- 1")]
    [InlineData(" 1-1")]
    [InlineData("1-1-1")]
    [InlineData("16/B374D848-1")]
    [InlineData("10000000000000000-1")]
    [InlineData("1-9223372036854775808")]
    public void Should_find_none_in_a_text_that_is_no_id(string id) => Assert.Null(DeadLetter.FindPosition(id));
}
