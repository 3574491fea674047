using Microsoft.Extensions.Time.Testing;
using Rosetta.Actors.Destinations;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Xunit;
using static Rosetta.Actors.Tests.Destinations.Planned;

namespace Rosetta.Actors.Tests.Destinations;

public sealed class DestinationStatusTests
{
    readonly FakeTimeProvider _time = new();
    readonly DestinationStatus _status;

    public DestinationStatusTests() => _status = new DestinationStatus(_time);

    [Theory]
    [InlineData(ErrorClass.Transient, DestinationHealth.Retrying)]
    [InlineData(ErrorClass.Fenced, DestinationHealth.Retrying)]
    [InlineData(ErrorClass.Operator, DestinationHealth.Error)]
    [InlineData(ErrorClass.Table, DestinationHealth.Error)]
    [InlineData(ErrorClass.Data, DestinationHealth.Error)]
    public void Should_be_as_its_fault_says_before_anything_else(ErrorClass fault, DestinationHealth expected)
    {
        _status.AppliedUpTo(new Lsn(10));
        _status.Fault = new Fault(fault, "why", null);
        Assert.Equal(expected, _status.Health(LaneState.Attached, TimeSpan.Zero));
    }

    [Fact]
    public void Should_be_snapshotting_until_its_first_copy_is_complete() =>
        Assert.Equal(DestinationHealth.Snapshotting, _status.Health(LaneState.CatchingUp, TimeSpan.FromHours(1)));

    [Theory]
    [InlineData(LaneState.Attached, 0, DestinationHealth.Healthy)]
    [InlineData(LaneState.Attached, 10, DestinationHealth.Healthy)]
    [InlineData(LaneState.Attached, 11, DestinationHealth.Lagging)]
    [InlineData(LaneState.Detached, 0, DestinationHealth.Lagging)]
    [InlineData(LaneState.CatchingUp, 0, DestinationHealth.Lagging)]
    public void Should_lag_when_it_is_not_on_the_main_stream_or_long_behind_it(LaneState lane, int seconds, DestinationHealth expected)
    {
        _status.AppliedUpTo(new Lsn(10));
        Assert.Equal(expected, _status.Health(lane, TimeSpan.FromSeconds(seconds)));
    }

    [Fact]
    public void Should_never_go_back_with_what_is_applied()
    {
        Assert.Null(_status.Applied);
        Assert.Null(_status.LastSuccess);
        _status.AppliedUpTo(new Lsn(20));
        _time.Advance(TimeSpan.FromSeconds(5));
        _status.AppliedUpTo(new Lsn(10));
        Assert.Equal(new Lsn(20), _status.Applied);
        Assert.Equal(_time.GetUtcNow(), _status.LastSuccess);
    }

    [Fact]
    public void Should_count_rows_over_changes_of_state()
    {
        _status.Set(TableProgress.Of(Table(Orders), TableState.Streaming));
        _status.Count(Result(Orders, new RowCounts(1, 2, 3)));
        _status.Set(TableProgress.Of(Table(Orders), TableState.CatchingUp));
        _status.Count(Result(Orders, new RowCounts(1, 0, 0)));
        _status.Count(Result(Items, new RowCounts(9, 9, 9)));
        Assert.Equal((new RowCounts(2, 2, 3), TableState.CatchingUp), (_status.Of(Orders)!.Rows, _status.Of(Orders)!.State));
        Assert.Null(_status.Of(Items));
    }

    [Fact]
    public void Should_show_why_a_table_stopped()
    {
        _status.Set(TableProgress.Of(Table(Orders), TableState.Streaming));
        _status.Count(new ApplyResult(
            null, new Dictionary<TableName, RowCounts>(),
            [new(Orders, new TableStop(new Position(new Lsn(1), 0), "id=1", "23505", "duplicate", "resync"))], 0));
        var shown = _status.Of(Orders)!;
        Assert.Equal((TableState.Error, "duplicate (SQLSTATE 23505, key id=1)", "resync"), (shown.State, shown.Error, shown.Remedy));
    }

    [Fact]
    public void Should_let_tables_go_that_are_not_planned_any_more()
    {
        _status.Set(TableProgress.Of(Table(Orders), TableState.Streaming));
        _status.Set(TableProgress.Of(Table(Items), TableState.Streaming));
        _status.Keep(new HashSet<TableName> { Items });
        Assert.Equal(Items, Assert.Single(_status.Tables).Table);
    }

    [Fact]
    public void Should_stream_once_the_lane_has_passed_the_snapshot()
    {
        var table = TableProgress.Of(Table(Orders), TableState.CatchingUp) with { Since = new Lsn(100) };
        Assert.Equal(TableState.CatchingUp, table.StateAt(new Lsn(99)));
        Assert.Equal(TableState.Streaming, table.StateAt(new Lsn(100)));
        Assert.Equal(TableState.InsertOnly, (table with { InsertOnly = true }).StateAt(new Lsn(100)));
        Assert.Equal(TableState.Error, (table with { State = TableState.Error }).StateAt(new Lsn(100)));
        Assert.Equal(TableState.CatchingUp, (table with { Since = null }).StateAt(new Lsn(100)));
    }

    [Fact]
    public void Should_wait_longer_after_each_failure_up_to_the_cap_and_never_less_than_half()
    {
        var delay = new RetryDelay(TimeSpan.FromSeconds(10));
        for (var round = 0; round < 2; round++)
        {
            foreach (var full in new[] { 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10 })
                Assert.InRange(delay.Next().TotalSeconds, full / 2, full);
            Assert.Equal(8, delay.Failures);
            delay.Reset();
        }

        for (var i = 0; i < 5000; i++)
            Assert.InRange(delay.Next(), TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(10));
    }

    static ApplyResult Result(TableName table, RowCounts rows) => new(null, new Dictionary<TableName, RowCounts> { [table] = rows }, [], 0);
}
