using Microsoft.Extensions.Time.Testing;
using Rosetta.Actors.Spill;
using Rosetta.Core.Lanes;
using Rosetta.Core.Positions;
using Xunit;

namespace Rosetta.Actors.Tests.Spill;

public sealed class CatchUpWatchTests
{
    static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    readonly FakeTimeProvider _time = new();
    readonly Lane _lane;
    readonly CatchUpWatch _watch;

    public CatchUpWatchTests()
    {
        _lane = new LaneHub(LaneHubOptions.Default, _time, static () => { }).Register(1, new Lsn(1_000));
        _watch = new CatchUpWatch(_time);
    }

    [Fact]
    public void Should_leave_a_lane_that_has_just_begun_alone_however_much_it_holds()
    {
        Assert.True(Look(1_000_000).IsGaining);
        _time.Advance(CatchUpWatch.Grace - Second);
        Assert.True(Look(1_000_000).IsGaining);
        _time.Advance(Second);
        Assert.False(Look(1_000_000).IsGaining);
    }

    [Fact]
    public void Should_leave_a_lane_alone_for_as_long_as_it_holds_less_at_each_look()
    {
        Look(1_000_000);
        _time.Advance(CatchUpWatch.Grace);
        for (var passed = 10_000UL; passed <= 50_000; passed += 10_000)
        {
            _lane.Pass(new Lsn(passed));
            _time.Advance(Second);
            Assert.True(Look(1_000_000 + (passed / 2)).IsGaining);
        }

        // The source is faster.
        _lane.Pass(new Lsn(60_000));
        Assert.False(Look(1_050_000).IsGaining);
    }

    [Fact]
    public void Should_give_no_chance_to_a_lane_whose_destination_does_not_answer_and_a_new_one_when_it_answers_again()
    {
        _lane.Failing = true;
        Assert.False(Look(1_000_000).IsGaining);
        _time.Advance(CatchUpWatch.Grace);
        Assert.False(Look(1_000_000).IsGaining);
        _lane.Failing = false;
        Assert.True(Look(1_000_000).IsGaining);
        _time.Advance(CatchUpWatch.Grace);
        Assert.False(Look(1_000_000).IsGaining);
    }

    SpillCandidate Look(ulong current) => Assert.Single(_watch.Look([_lane], new Lsn(current)));
}
