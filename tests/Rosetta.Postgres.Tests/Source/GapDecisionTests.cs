using Rosetta.Core.Positions;
using Rosetta.Postgres.Source;
using Xunit;

namespace Rosetta.Postgres.Tests.Source;

/// <summary>The rule: a gap at d if and only if confirmed > position(d) and not (confirmed &lt;= acknowledged and position(d) >= rested_on(d)).</summary>
public sealed class GapDecisionTests
{
    static readonly RecordedSlot Record = new(
        "rosetta_p1", "app", "7000000000000000001", 1, new Lsn(100), new Lsn(500), new Dictionary<long, Lsn> { [1] = new(500), [2] = new(300) });

    static readonly SlotFacts Slot = new(
        "rosetta_p1", "pgoutput", "app", IsTemporary: false, IsTwoPhase: false, ActivePid: null, ConfirmedFlush: new Lsn(500), RestartLsn: new Lsn(400),
        WalStatus: "reserved", InvalidationReason: null, SafeWalSize: null, RetainedBytes: 0);

    static readonly SourceIdentity Source = new("7000000000000000001", 1, new Lsn(10_000), false, 150018, []);

    static SlotDecision Decide(SlotFacts? slot, params (long Destination, ulong Position)[] positions) =>
        GapDecision.Decide(Record, slot, Source, positions.ToDictionary(p => p.Destination, p => new Lsn(p.Position)));

    // confirmed, acknowledged (0: none), rested_on (0: not in the record), position
    [Theory]
    [InlineData(500, 500, 500, 500, false)]
    [InlineData(500, 500, 500, 900, false)]
    [InlineData(400, 500, 500, 500, false)]
    [InlineData(500, 500, 300, 300, false)] // nothing outstanding at it: it did not hold the slot
    [InlineData(500, 500, 300, 400, false)]
    [InlineData(499, 500, 300, 300, false)]
    [InlineData(500, 500, 300, 299, true)] // the destination itself was set back
    [InlineData(501, 500, 300, 300, true)] // somebody else moved the slot
    [InlineData(501, 500, 500, 500, true)]
    [InlineData(501, 500, 500, 501, false)]
    [InlineData(501, 500, 500, 502, false)]
    [InlineData(500, 500, 0, 499, true)] // a destination of which nothing is recorded
    [InlineData(500, 500, 0, 500, false)]
    [InlineData(500, 0, 500, 499, true)] // nothing was ever acknowledged
    [InlineData(500, 0, 500, 500, false)]
    [InlineData(100, 0, 0, 100, false)] // just created
    [InlineData(500, 499, 300, 300, true)]
    [InlineData(499, 499, 300, 300, false)]
    [InlineData(100, 500, 500, 499, false)] // the server lost the last confirmations in a crash: it sends again
    public void Should_find_a_gap_exactly_when_changes_are_lost(ulong confirmed, ulong acknowledged, ulong restedOn, ulong position, bool gap)
    {
        var record = Record with
        {
            Acknowledged = acknowledged == 0 ? null : new Lsn(acknowledged),
            RestedOn = restedOn == 0 ? new Dictionary<long, Lsn>() : new Dictionary<long, Lsn> { [7] = new(restedOn) },
        };
        var decision = GapDecision.Decide(
            record, Slot with { ConfirmedFlush = new Lsn(confirmed) }, Source, new Dictionary<long, Lsn> { [7] = new(position) });
        Assert.Equal(SlotAction.Resume, decision.Action);
        Assert.Equal(gap, decision.Gaps.ContainsKey(7));
        Assert.Equal(gap, decision.Reason is not null);
        Assert.Equal(gap, decision.Remedy is not null);
    }

    [Fact]
    public void Should_agree_with_the_rule_for_every_small_case()
    {
        for (ulong confirmed = 1; confirmed <= 4; confirmed++)
            for (ulong acknowledged = 0; acknowledged <= 4; acknowledged++)
                for (ulong rested = 0; rested <= 4; rested++)
                    for (ulong position = 1; position <= 4; position++)
                    {
                        var record = Record with
                        {
                            ConsistentPoint = new Lsn(1),
                            Acknowledged = acknowledged == 0 ? null : new Lsn(acknowledged),
                            RestedOn = rested == 0 ? new Dictionary<long, Lsn>() : new Dictionary<long, Lsn> { [7] = new(rested) },
                        };
                        var expected = confirmed > position
                            && !(acknowledged > 0 && confirmed <= acknowledged && rested > 0 && position >= rested);
                        var decision = GapDecision.Decide(
                            record, Slot with { ConfirmedFlush = new Lsn(confirmed) }, Source, new Dictionary<long, Lsn> { [7] = new(position) });
                        Assert.Equal(expected, decision.Gaps.ContainsKey(7));
                    }
    }

    [Fact]
    public void Should_stop_only_the_destination_that_has_the_gap()
    {
        var decision = Decide(Slot, (1, 500), (2, 299));
        Assert.Equal(SlotAction.Resume, decision.Action);
        Assert.Equal([2L], decision.Gaps.Keys);
        Assert.Contains("resync", decision.Remedy, StringComparison.Ordinal);
        Assert.Equal([1L, 2L], Decide(Slot with { ConfirmedFlush = new Lsn(600) }, (1, 500), (2, 300)).Gaps.Keys);
    }

    [Fact]
    public void Should_make_a_slot_only_where_none_is_and_never_take_one_over()
    {
        var none = new Dictionary<long, Lsn>();
        Assert.Equal(SlotAction.Create, GapDecision.Decide(null, null, Source, none).Action);
        var foreign = GapDecision.Decide(null, Slot, Source, none);
        Assert.Equal(SlotAction.Foreign, foreign.Action);
        Assert.Contains("pg_drop_replication_slot('rosetta_p1')", foreign.Remedy, StringComparison.Ordinal);
        var announced = Record with { ConsistentPoint = Lsn.Zero };
        Assert.Equal(SlotAction.Create, GapDecision.Decide(announced, null, Source, none).Action);
        Assert.Equal(SlotAction.Recreate, GapDecision.Decide(announced, Slot, Source, none).Action);
        Assert.Equal(SlotAction.Resume, GapDecision.Decide(Record, Slot, Source, none).Action);
    }

    public static TheoryData<string, SlotFacts?, SourceIdentity> Lost => new()
    {
        { "gone", null, Source },
        { "not the one", Slot with { Plugin = "test_decoding" }, Source },
        { "not the one", Slot with { Plugin = null, Database = null, ConfirmedFlush = null }, Source },
        { "not the one", Slot with { Database = "other" }, Source },
        { "not the one", Slot with { IsTemporary = true }, Source },
        { "not the one", Slot with { IsTwoPhase = true }, Source },
        { "invalidated", Slot with { WalStatus = "lost" }, Source },
        { "invalidated", Slot with { RestartLsn = null }, Source },
        { "idle_timeout", Slot with { InvalidationReason = "idle_timeout" }, Source },
        { "another cluster", Slot, Source with { SystemIdentifier = "7000000000000000002" } },
        { "another cluster", null, Source with { SystemIdentifier = "7000000000000000002" } },
        { "set back", Slot, Source with { Timeline = 0 } },
        { "does not descend", Slot, Source with { Timeline = 3, History = [new TimelineEnd(2, new Lsn(700))] } },
    };

    [Theory]
    [MemberData(nameof(Lost))]
    public void Should_stop_every_destination_when_the_slot_or_the_cluster_is_not_what_it_was(string reason, SlotFacts? slot, SourceIdentity source)
    {
        var decision = GapDecision.Decide(Record, slot, source, new Dictionary<long, Lsn> { [1] = new(500), [2] = new(900) });
        Assert.Equal(SlotAction.Gap, decision.Action);
        Assert.Contains(reason, decision.Reason, StringComparison.Ordinal);
        Assert.Equal([1L, 2L], decision.Gaps.Keys);
        Assert.NotNull(decision.Remedy);
    }

    [Theory]
    [InlineData(700, false)]
    [InlineData(701, true)]
    [InlineData(500, false)]
    public void Should_compare_with_the_point_where_the_timeline_branched(ulong position, bool gap)
    {
        var promoted = Source with { Timeline = 3, History = [new TimelineEnd(1, new Lsn(700)), new TimelineEnd(2, new Lsn(800))] };
        var decision = GapDecision.Decide(Record, Slot, promoted, new Dictionary<long, Lsn> { [1] = new(position) });
        Assert.Equal(gap, decision.Gaps.ContainsKey(1));
    }

    [Fact]
    public void Should_notice_a_source_whose_wal_ends_before_a_destination()
    {
        var decision = GapDecision.Decide(Record, Slot, Source with { CurrentLsn = new Lsn(600) }, new Dictionary<long, Lsn> { [1] = new(601), [2] = new(600) });
        Assert.Equal([1L], decision.Gaps.Keys);
        Assert.Contains("set back", decision.Gaps[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Should_read_a_timeline_history_file()
    {
        var ends = Slots.ParseHistory("1\t0/3000158\tno recovery target specified\n\n2\t16/B374D848\tbefore 2026-01-01 00:00:00+00\n");
        Assert.Equal([new TimelineEnd(1, Lsn.Parse("0/3000158")), new TimelineEnd(2, Lsn.Parse("16/B374D848"))], ends);
    }
}
