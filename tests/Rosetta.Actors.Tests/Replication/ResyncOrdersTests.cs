using Rosetta.Actors.Replication;
using Xunit;
using static Rosetta.Actors.Tests.Destinations.Planned;

namespace Rosetta.Actors.Tests.Replication;

public sealed class ResyncOrdersTests
{
    readonly ResyncOrders _orders = new();

    [Fact]
    public void Should_force_a_table_for_its_own_order_and_cover_the_others_by_the_pipelines()
    {
        _orders.OrderWhole(1, 10);
        _orders.OrderTable(1, Orders, 11);
        var orders = _orders.For(1, [Orders, Items]);
        Assert.Equal(new ResyncOrder(11, true), orders[Orders]);
        Assert.Equal(new ResyncOrder(10, false), orders[Items]);
        Assert.Empty(_orders.For(2, [Orders, Items]));
        Assert.True(_orders.AnyWhole);
    }

    [Fact]
    public void Should_be_done_with_a_request_when_every_destination_is()
    {
        _orders.OrderTable(1, Orders, 11);
        _orders.OrderTable(2, Orders, 11);
        Assert.Empty(_orders.TableDone(1, Orders, 11));
        Assert.Empty(_orders.For(1, [Orders]));
        Assert.Equal([11], _orders.TableDone(2, Orders, 11));
    }

    [Fact]
    public void Should_not_take_the_end_of_an_older_request_for_the_newer_ones()
    {
        _orders.OrderTable(1, Orders, 11);
        _orders.OrderTable(1, Orders, 12);
        Assert.Equal([11], _orders.TableDone(1, Orders, 11));
        Assert.Equal(12, _orders.For(1, [Orders])[Orders].RequestId);
        Assert.Equal([12], _orders.TableDone(1, Orders, 12));
    }

    [Fact]
    public void Should_answer_the_older_requests_of_a_table_with_the_newest()
    {
        // As they are found again by an incarnation after one that died in between: in order, all of them open.
        _orders.OrderTable(1, Orders, 11);
        _orders.OrderTable(2, Orders, 11);
        _orders.OrderTable(1, Orders, 12);
        _orders.OrderTable(1, Orders, 13);
        Assert.Equal([13, 12], _orders.TableDone(1, Orders, 13));
        Assert.Empty(_orders.For(1, [Orders]));
        Assert.Equal([11], _orders.TableDone(2, Orders, 11));
    }

    [Fact]
    public void Should_not_be_done_with_a_pipelines_request_by_one_table()
    {
        _orders.OrderWhole(1, 10);
        Assert.Empty(_orders.TableDone(1, Orders, 10));
        Assert.True(_orders.AnyWhole);
    }

    [Fact]
    public void Should_name_a_pipelines_requests_with_their_destinations()
    {
        _orders.OrderWhole(1, 10);
        _orders.OrderWhole(2, 10);
        _orders.OrderWhole(3, 12);
        var whole = _orders.Whole().OrderBy(static w => w.RequestId).ToList();
        Assert.Equal([10L, 12L], whole.Select(static w => w.RequestId));
        Assert.Equal([1L, 2L], whole[0].Destinations.Order());
        _orders.WholeDone(10);
        Assert.Equal(12, Assert.Single(_orders.Whole()).RequestId);
        _orders.WholeDone(12);
        Assert.False(_orders.AnyWhole);
    }
}
