using Rosetta.Core.Chunks;
using Xunit;

namespace Rosetta.Core.Tests.Chunks;

public sealed class TransactionSnapshotTests
{
    [Theory]
    [InlineData("10:20:12,15", 9, true)]
    [InlineData("10:20:12,15", 10, true)]
    [InlineData("10:20:12,15", 12, false)]
    [InlineData("10:20:15,12", 15, false)]
    [InlineData("10:20:12,15", 19, true)]
    [InlineData("10:20:12,15", 20, false)]
    [InlineData("7:7:", 6, true)]
    [InlineData("7:7:", 7, false)]
    public void Should_show_what_had_ended(string text, uint xid, bool shown) => Assert.Equal(shown, TransactionSnapshot.Parse(text).Shows(xid));

    [Theory]
    // The epoch is in the snapshot, not in the stream: ids around a wrap belong to the nearer one.
    [InlineData("4294967290:4294967310:4294967300", 4_294_967_290, true)]
    [InlineData("4294967290:4294967310:4294967300", 4, false)]
    [InlineData("4294967290:4294967310:4294967300", 5, true)]
    [InlineData("4294967290:4294967310:4294967300", 14, false)]
    [InlineData("4294967290:4294967310:4294967300", 4_294_967_289, true)]
    public void Should_tell_ids_apart_over_a_wrap(string text, uint xid, bool shown) => Assert.Equal(shown, TransactionSnapshot.Parse(text).Shows(xid));

    [Theory]
    [InlineData("")]
    [InlineData("10:20")]
    [InlineData("10:x:")]
    [InlineData("10:20:11,")]
    [InlineData("-1:20:")]
    public void Should_refuse_what_is_no_snapshot(string text) => Assert.Throws<FormatException>(() => TransactionSnapshot.Parse(text));
}
