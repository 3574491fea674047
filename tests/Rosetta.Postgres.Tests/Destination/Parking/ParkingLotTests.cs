using Microsoft.Extensions.Time.Testing;
using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Fold;
using Rosetta.Postgres.Destination.Parking;
using Rosetta.Postgres.Destination.Plans;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination.Parking;

public sealed class ParkingLotTests : IDisposable
{
    static readonly TableName Table = new("public", "t");

    readonly FakeTimeProvider _time = new();
    readonly RowSource _rows = new();
    readonly TablePlan _plan;
    ulong _at;

    public ParkingLotTests() => _plan = TablePlan.Skipped(new Relation(1, "public", "t", ReplicaIdentity.Default, []), Table, _rows);

    ParkingLot Lot(int keys = 100) => new(ParkingLimits.Default with { Keys = keys, Failures = 50, Window = TimeSpan.FromMinutes(1) }, _time);

    ParkedEntry Entry(string? key, string? movedTo = null) => new(_plan, new Position(new Lsn(++_at), 0), 1, 0, ChangeKind.Update, [], Bytes(key), Bytes(movedTo), null);

    static byte[]? Bytes(string? key) => key is null ? null : System.Text.Encoding.UTF8.GetBytes(key);

    static string Held(ParkingLot lot) => lot.Of(Table) is { } barrier ? string.Concat("abcd".Where(c => barrier.Holds(Bytes(c.ToString())))) + (barrier.IsWhole ? "*" : "") : "-";

    [Fact]
    public void Should_hold_what_is_stored_and_what_was_added()
    {
        var lot = Lot();
        Assert.Equal("-", Held(lot));
        lot.Load(Table, Bytes("a"));
        lot.Add(Entry("b", "c"));
        Assert.Equal("abc", Held(lot));
        Assert.Same(lot.Of(Table), _plan.Barrier);
        Assert.True(lot.Skips(new Position(new Lsn(1), 0)));
        lot.Committed();
        Assert.Equal(("abc", false, 0), (Held(lot), lot.Skips(new Position(new Lsn(1), 0)), lot.Waiting.Count));
    }

    [Fact]
    public void Should_take_back_what_was_added_since_a_mark_and_nothing_else()
    {
        var lot = Lot();
        lot.Add(Entry("a"));
        var mark = lot.Here;
        lot.Add(Entry("a", "b"));
        lot.Add(Entry(null));
        Assert.Equal("ab*", Held(lot));
        lot.BackTo(mark);
        Assert.Equal(("a", 1), (Held(lot), lot.Waiting.Count));
        lot.RolledBack();
        Assert.Equal(("-", 0, false), (Held(lot), lot.Waiting.Count, lot.IsChanged));
        Assert.Null(_plan.Barrier);
    }

    [Fact]
    public void Should_put_back_what_a_truncate_took_out_when_it_is_rolled_back()
    {
        var lot = Lot();
        lot.Load(Table, Bytes("a"));
        lot.Add(Entry("b"));
        lot.Empty(_plan);
        Assert.Equal(("-", 0), (Held(lot), lot.Waiting.Count));
        Assert.Equal([Table], lot.Emptied);
        lot.Add(Entry("c"));
        Assert.Equal("c", Held(lot));
        lot.RolledBack();
        Assert.Equal("a", Held(lot));
        lot.Empty(_plan);
        lot.Committed();
        Assert.Equal("-", Held(lot));
    }

    [Fact]
    public void Should_tell_of_payloads_that_nobody_asks_for_any_more_once_that_is_certain()
    {
        var lot = Lot();
        lot.Add(Entry("a"));
        lot.Committed();
        Assert.Equal(0, lot.Supersedings);
        lot.Empty(_plan);
        lot.RolledBack();
        Assert.Equal(0, lot.Supersedings);
        lot.Empty(_plan);
        lot.Committed();
        Assert.Equal(1, lot.Supersedings);
        lot.Add(Entry("a"));
        lot.Committed();
        lot.Copied(Table);
        Assert.Equal(1, lot.Supersedings);
        Assert.Equal(Table, lot.Refresh());
        Assert.Null(lot.Refresh());
        Assert.Equal(2, lot.Supersedings);
    }

    [Fact]
    public void Should_park_the_whole_table_past_a_number_of_keys_until_nothing_is_left()
    {
        var lot = Lot(keys: 2);
        lot.Add(Entry("a"));
        lot.Add(Entry("b"));
        Assert.Equal("ab", Held(lot));
        lot.Add(Entry("c"));
        Assert.Equal("abc*", Held(lot));
        lot.RolledBack();
        foreach (var key in "abd")
            lot.Load(Table, Bytes(key.ToString()));
        Assert.Equal("abd*", Held(lot));
        lot.Forget(Table);
        Assert.Equal("-", Held(lot));
    }

    [Fact]
    public void Should_forget_a_table_that_was_copied_between_two_transactions()
    {
        var lot = Lot();
        lot.Load(Table, Bytes("a"));
        lot.Copied(Table);
        Assert.Equal("a", Held(lot));
        lot.Refresh();
        Assert.Equal("-", Held(lot));
    }

    [Fact]
    public void Should_say_when_failures_are_no_matter_of_single_rows()
    {
        var lot = Lot();
        Assert.Null(lot.Judge(Table, 1, 1));
        Assert.Null(lot.Judge(Table, 100, 1_000));
        Assert.Contains("100 of 150", lot.Judge(Table, 100, 150), StringComparison.Ordinal);
        for (var i = 0; i < 48; i++)
            Assert.Null(lot.Judge(Table, 1, 1_000));
        Assert.Contains("more than 50", lot.Judge(Table, 1, 1_000), StringComparison.Ordinal);
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.Null(lot.Judge(Table, 1, 1_000));
    }

    public void Dispose()
    {
        _plan.Dispose();
        _rows.Dispose();
    }
}
