using Rosetta.Actors.Spill;
using Rosetta.Core.Positions;
using Xunit;

namespace Rosetta.Actors.Tests.Spill;

public sealed class SpillPolicyTests
{
    const long Budget = 1000;

    static readonly Lsn Current = new(10_000);

    [Fact]
    public void Should_leave_lanes_alone_while_half_of_the_budget_is_free() =>
        Assert.Empty(SpillPolicy.Choose([Held(1, 499), Held(2, 300)], Current, Budget));

    [Fact]
    public void Should_spill_those_that_hold_a_quarter_once_half_is_spent() =>
        Assert.Equal([1, 2], SpillPolicy.Choose([Held(1, 500), Held(2, 250), Held(3, 249)], Current, Budget));

    [Fact]
    public void Should_not_spill_one_that_follows_nor_one_that_was_given_up() =>
        Assert.Equal([3], SpillPolicy.Choose([Held(1, 900, isFed: true), new SpillCandidate(2, null, false, true), Held(3, 400)], Current, Budget));

    [Fact]
    public void Should_spill_none_without_a_budget() => Assert.Empty(SpillPolicy.Choose([Held(1, 5000)], Current, 0));

    [Fact]
    public void Should_take_a_lane_that_is_ahead_of_what_was_last_seen_of_the_source_as_holding_nothing() =>
        Assert.Empty(SpillPolicy.Choose([new SpillCandidate(1, new Lsn(20_000), false, true)], Current, Budget));

    [Fact]
    public void Should_leave_one_that_answers_time_to_catch_up_by_itself()
    {
        Assert.Equal([2], SpillPolicy.Choose([Held(1, 749, isFailing: false), Held(2, 600)], Current, Budget));
        Assert.Equal([1, 2], SpillPolicy.Choose([Held(1, 750, isFailing: false), Held(2, 600)], Current, Budget));
    }

    [Fact]
    public void Should_leave_one_alone_that_gains_on_the_source_however_much_it_holds() =>
        Assert.Equal([2], SpillPolicy.Choose([Held(1, 5000, isFailing: false) with { IsGaining = true }, Held(2, 600)], Current, Budget));

    static SpillCandidate Held(long id, ulong bytes, bool isFed = false, bool isFailing = true) => new(id, new Lsn(Current.Value - bytes), isFed, isFailing);
}
