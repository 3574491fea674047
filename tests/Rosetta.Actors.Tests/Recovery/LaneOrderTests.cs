using Rosetta.Actors.Recovery;
using Rosetta.Store.Jobs;
using Xunit;

namespace Rosetta.Actors.Tests.Recovery;

/// <summary>Who has an order in hand, and when it has ended.</summary>
public sealed class LaneOrderTests
{
    readonly List<RecoveryReport> _told = [];
    readonly CancellationTokenSource _enough = new();

    LaneOrder Order() => new(
        new RecoveryOrder(1, 2, 3, new RecoveryRequest(RecoveryKind.Recover), "PENDING", new RecoveryCounts(), 0, null, null, null, null, false, default, null, null), _told.Add, _enough.Token);

    [Fact]
    public void Should_be_in_one_hand_at_a_time_and_go_on_in_the_next()
    {
        var order = Order();
        order.Wait("away");
        Assert.True(order.TryBegin());
        Assert.False(order.TryBegin());
        Assert.False(order.TryCallOff());
        // Whoever does not know that it has begun is not heard.
        order.Wait("away");
        order.Progress(new RecoveryCounts(3));
        order.Rest("the store is away");
        Assert.True(order.TryBegin());
        order.End(new RecoveryReport("COMPLETED", new RecoveryCounts(5)));
        Assert.True(order.HasEnded);
        Assert.False(order.TryBegin());
        order.Progress(new RecoveryCounts(9));
        Assert.Equal(
            [("PENDING", 0, "away"), ("EXECUTING", 3, null), ("EXECUTING", 3, "the store is away"), ("COMPLETED", 5, null)],
            _told.Select(t => (t.Status, t.Counts.Recovered, t.Waiting)));
    }

    [Fact]
    public void Should_end_without_a_hand_when_it_is_called_off_before_anybody_begins()
    {
        var order = Order();
        Assert.True(order.TryCallOff());
        Assert.False(order.TryBegin());
        order.Wait("away");
        Assert.Empty(_told);
    }

    [Fact]
    public void Should_end_when_it_is_laid_down_after_it_was_called_off()
    {
        var order = Order();
        order.TryBegin();
        order.Progress(new RecoveryCounts(3, 0, 7));
        _enough.Cancel();
        order.Rest(null);
        Assert.True(order.HasEnded);
        Assert.Equal(("CANCELLED", 3), (_told[^1].Status, _told[^1].Counts.Recovered));
    }
}
