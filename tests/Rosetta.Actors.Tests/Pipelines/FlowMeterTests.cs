using Rosetta.Actors.Pipelines;
using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Actors.Tests.Pipelines;

public sealed class FlowMeterTests
{
    static readonly TableName Orders = new("public", "orders");
    readonly FlowMeter _meter = new();

    [Fact]
    public void Should_tell_what_came_since_it_was_recorded_and_again_what_could_not_be()
    {
        var first = _meter.Since([(1, Orders, new RowCounts(5, 1, 0))], DateTime.UnixEpoch);
        Assert.Equal((5, 1, 0), Of(first));
        // Not recorded: told again.
        var again = _meter.Since([(1, Orders, new RowCounts(6, 1, 0))], DateTime.UnixEpoch);
        Assert.Equal((6, 1, 0), Of(again));
        _meter.Recorded(again);
        Assert.Empty(_meter.Since([(1, Orders, new RowCounts(6, 1, 0))], DateTime.UnixEpoch));
        Assert.Equal((0, 0, 2), Of(_meter.Since([(1, Orders, new RowCounts(6, 1, 2))], DateTime.UnixEpoch)));
    }

    [Fact]
    public void Should_take_a_counter_that_is_behind_for_one_that_has_begun_anew()
    {
        _meter.Recorded(_meter.Since([(1, Orders, new RowCounts(100, 0, 0))], DateTime.UnixEpoch));
        Assert.Equal((3, 0, 0), Of(_meter.Since([(1, Orders, new RowCounts(3, 0, 0))], DateTime.UnixEpoch)));
        Assert.Equal((100, 0, 0), Of(_meter.Since([(2, Orders, new RowCounts(100, 0, 0))], DateTime.UnixEpoch)));
    }

    static (long, long, long) Of(IReadOnlyList<(Store.Monitoring.DataFlow Flow, TableName Table, RowCounts Counted)> flows)
    {
        var flow = Assert.Single(flows).Flow;
        return (flow.Inserted, flow.Updated, flow.Deleted);
    }
}
