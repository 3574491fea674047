using Rosetta.Actors.Recovery;
using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Actors.Tests.Recovery;

public sealed class RetryResultTests
{
    static readonly RowThere None = new(null, null);
    static readonly RowThere There = new(new Dictionary<string, string?> { ["id"] = "1" }, null);

    static DeadLetter Letter(int at, ChangeKind kind, string key = "1") =>
        new(new TableName("public", "t"), new Position(new Lsn((ulong)at), 0), 1, 0, kind, [key], default, null, default);

    [Theory]
    [InlineData(ChangeKind.Insert, false, "insert")]
    [InlineData(ChangeKind.Insert, true, "update")]
    [InlineData(ChangeKind.Update, false, "insert")]
    [InlineData(ChangeKind.Update, true, "update")]
    [InlineData(ChangeKind.Delete, false, "none")]
    [InlineData(ChangeKind.Delete, true, "delete")]
    public void Should_tell_what_a_change_comes_to_at_the_row_that_is_there(ChangeKind kind, bool isThere, string statement)
    {
        var letter = Letter(5, kind);
        Assert.Equal(statement, RetryResult.StatementOf(letter, [letter], isThere ? There : None));
    }

    [Fact]
    public void Should_heed_what_comes_before_it_for_the_same_key_alone()
    {
        var letter = Letter(5, ChangeKind.Update);
        Assert.Equal("insert", RetryResult.StatementOf(letter, [Letter(3, ChangeKind.Update), Letter(4, ChangeKind.Delete), letter], There));
        Assert.Equal("update", RetryResult.StatementOf(letter, [Letter(4, ChangeKind.Insert), letter, Letter(6, ChangeKind.Delete)], None));
        Assert.Equal("insert", RetryResult.StatementOf(letter, [Letter(4, ChangeKind.Insert, "2"), letter], None));
        // Nobody knows the row: the change as it is.
        Assert.Equal("update", RetryResult.StatementOf(letter, [letter], new RowThere(null, "no key")));
    }
}
