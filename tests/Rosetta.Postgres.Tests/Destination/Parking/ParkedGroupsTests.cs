using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Parking;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination.Parking;

public sealed class ParkedGroupsTests
{
    static readonly TableName Table = new("public", "t");

    static string Groups(params (string? Key, string? MovedTo)[] entries)
    {
        var groups = ParkedGroups.Of(Table, [.. entries.Select((e, i) => (new Position(new Lsn((ulong)i), 0), e.Key, e.MovedTo))]);
        return string.Join(" ", groups.Select(g => string.Join(',', g.At.Select(a => a.Commit.Value)) + (g.IsWhole ? "*" : "")));
    }

    [Fact]
    public void Should_keep_keys_apart_and_each_in_order() => Assert.Equal("0,2 1,3", Groups(("a", null), ("b", null), ("a", null), ("b", null)));

    [Fact]
    public void Should_join_keys_that_an_update_has_joined() => Assert.Equal("0,1,2,4 3", Groups(("a", null), ("a", "b"), ("b", null), ("c", null), ("a", null)));

    [Fact]
    public void Should_join_what_was_parked_before_the_update() => Assert.Equal("0,1,2,3", Groups(("a", null), ("b", null), ("b", "a"), ("a", "d")));

    [Fact]
    public void Should_join_chains_in_whatever_order_they_come() => Assert.Equal("0,1,2,3,4", Groups(("a", "b"), ("c", "d"), ("e", "f"), ("f", "c"), ("d", "a")));

    [Fact]
    public void Should_take_all_together_when_one_has_no_key() => Assert.Equal("0,1,2*", Groups(("a", null), (null, null), ("b", null)));

    [Fact]
    public void Should_make_no_group_of_nothing() => Assert.Equal("", Groups());
}
