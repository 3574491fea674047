using Microsoft.Extensions.Time.Testing;
using Rosetta.Core.Lanes;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Core.Tests.Lanes;

/// <summary>What a spill log has holds the slot no longer, and is still to be applied.</summary>
public sealed class SpilledLaneTests : IDisposable
{
    readonly FakeTimeProvider _time = new();
    readonly LaneHub _hub;

    public SpilledLaneTests() => _hub = new LaneHub(LaneHubOptions.Default, _time, static () => { });

    public void Dispose() => _hub.Dispose();

    [Fact]
    public void Should_let_the_slot_go_up_to_the_end_of_the_log()
    {
        var lane = _hub.Register(1, new Lsn(100));
        _hub.Register(2, new Lsn(900));
        Assert.Equal(new Lsn(100), _hub.TakeAcknowledgeable());
        lane.Spill(new Lsn(400));
        Assert.Equal(new Lsn(400), _hub.TakeAcknowledgeable());
        Assert.Equal((new Lsn(100), new Lsn(400)), (lane.Passed, lane.Feeds));
        // The destination has read the log to its end.
        lane.Pass(new Lsn(400));
        lane.Spill(null);
        Assert.Equal(new Lsn(400), lane.Feeds);
    }

    [Fact]
    public void Should_not_take_what_the_slot_has_passed_for_applied()
    {
        var spilled = _hub.Register(1, Lsn.Zero, new Lsn(700));
        var other = _hub.Register(2, Lsn.Zero);
        _hub.SlotStandsAt(new Lsn(650));
        Assert.Equal(Lsn.Zero, spilled.Passed);
        Assert.Equal(new Lsn(700), spilled.Feeds);
        Assert.Equal(new Lsn(650), other.Passed);
        Assert.Equal(new Lsn(650), _hub.TakeAcknowledgeable());
        // Also one that comes later, when more has been acknowledged than it has.
        Assert.Equal(Lsn.Zero, _hub.Register(3, Lsn.Zero, new Lsn(660)).Passed);
    }

    [Fact]
    public async Task Should_feed_a_lane_from_the_end_of_its_log()
    {
        var lane = _hub.Register(1, new Lsn(100), new Lsn(500));
        var attaching = _hub.AttachAsync(lane, default);
        Assert.Equal(new Lsn(500), _hub.StartPosition());
        _hub.MainStarted(new Lsn(500));
        await attaching.WaitAsync(Wait.DefaultDeadline);
        Assert.Equal(LaneState.Attached, lane.State);
        lane.IsSpilling = true;
        Assert.Equal(LaneState.Spilling, lane.Shown);
        lane.IsDraining = true;
        Assert.Equal(LaneState.Draining, lane.Shown);
    }

    [Fact]
    public void Should_be_behind_as_long_as_the_log_has_something()
    {
        var lane = _hub.Register(1, new Lsn(100), new Lsn(500));
        _ = _hub.AttachAsync(lane, default);
        _hub.MainStarted(new Lsn(500));
        lane.Outstanding(false);
        _time.Advance(TimeSpan.FromSeconds(7));
        Assert.True(lane.Behind >= TimeSpan.FromSeconds(7), $"{lane.Behind}");
        lane.Spill(null);
        Assert.Equal(TimeSpan.Zero, lane.Behind);
    }

    [Fact]
    public void Should_hold_nothing_once_it_was_given_up()
    {
        var lane = _hub.Register(1, new Lsn(100), new Lsn(200));
        var other = _hub.Register(2, new Lsn(300));
        lane.IsGivenUp = true;
        Assert.Equal(new Lsn(300), _hub.TakeAcknowledgeable());
        other.IsGivenUp = true;
        Assert.Null(_hub.TakeAcknowledgeable());
    }

    [Fact]
    public void Should_give_grace_to_one_whose_writer_answers()
    {
        var lane = _hub.Register(1, new Lsn(100));
        lane.Failing = true;
        Assert.True(lane.Failing);
        lane.IsSpilling = true;
        Assert.False(lane.Failing);
    }
}
