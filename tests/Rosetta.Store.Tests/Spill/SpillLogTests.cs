using Rosetta.Core.Positions;
using Rosetta.Core.Spill;
using Xunit;

namespace Rosetta.Store.Tests.Spill;

public sealed class SpillLogTests(SpillFixture fixture) : SpillTests(fixture)
{
    [Fact]
    public async Task Should_give_back_every_part_in_its_order()
    {
        SpillPart[] parts =
        [
            Whole(110, 3), Piece(1), Piece(2), new(new Lsn(200), 1, Noise(5, 1)), new(new Lsn(300), 0, new byte[1_000_000]), Whole(ulong.MaxValue, int.MaxValue),
        ];
        foreach (var part in parts) await AppendAsync(part);

        var found = await ReadAllAsync();

        AssertSame(parts, found);
        Assert.Equal(found.Select(p => p.Sequence).Order().Distinct(), found.Select(p => p.Sequence));
        AssertSame(parts[3..], await ReadAllAsync(found[2].Sequence));
    }

    [Fact]
    public async Task Should_say_how_far_it_goes_and_what_it_has()
    {
        Assert.Empty(await Store.ListAsync(Log.PipelineId, None));
        var before = DateTimeOffset.UtcNow.AddMinutes(-5);

        var first = await AppendAsync(Whole(150, 7, 5_000));
        await AppendAsync(Piece(1));
        var third = await AppendAsync(new SpillPart(new Lsn(200), 2, new byte[1_000_000]));

        Assert.Equal((new Lsn(100), new Lsn(150), 1L, 7L, 5_000L), (first.From, first.Through, first.Parts, first.Transactions, first.RawBytes));
        Assert.Equal((new Lsn(100), new Lsn(200), 3L, 9L, 1_005_100L), (third.From, third.Through, third.Parts, third.Transactions, third.RawBytes));
        // Noise cannot be made smaller, zeros can.
        Assert.InRange(third.Bytes, 5_100, 10_000);
        Assert.InRange(third.Oldest!.Value, before, DateTimeOffset.UtcNow.AddMinutes(5));
        Assert.Equal((first.Oldest, null), (third.Oldest, third.Abandoned));
        Assert.Equal([third], await Store.ListAsync(Log.PipelineId, None));
        Assert.Equal(third, await Store.OpenAsync(Log, Epoch, None));
    }

    [Fact]
    public async Task Should_give_a_transactions_pieces_only_when_its_end_is_there()
    {
        await AppendAsync(Whole(110));
        Assert.Equal(new Lsn(110), (await AppendAsync(Piece(1))).Through);
        await AppendAsync(Piece(2));
        Assert.Single(await ReadAllAsync());

        await AppendAsync(Whole(200));

        Assert.Equal(4, (await ReadAllAsync()).Count);
    }

    [Fact]
    public async Task Should_let_go_what_the_destination_has()
    {
        SpillPart[] parts = [Whole(110, 1), Whole(120, 2), Whole(130, 4)];
        foreach (var part in parts) await AppendAsync(part);
        var read = await ReadAllAsync();

        var none = await Store.RemoveAsync(Log, Epoch, new Lsn(109), None);
        var one = await Store.RemoveAsync(Log, Epoch, new Lsn(110), None);
        var same = await Store.RemoveAsync(Log, Epoch, new Lsn(119), None);
        AssertSame(parts[1..], await ReadAllAsync());
        AssertSame(parts[1..], await ReadAllAsync(read[0].Sequence));
        var two = await Store.RemoveAsync(Log, Epoch, new Lsn(125), None);

        Assert.Equal((new Lsn(100), 3L), (none!.From, none.Parts));
        Assert.Equal((new Lsn(110), 2L, 6L, 200L, 200L), (one!.From, one.Parts, one.Transactions, one.RawBytes, one.Bytes));
        Assert.True(one.Oldest > none.Oldest);
        Assert.Equal(one, same);
        Assert.Equal((new Lsn(120), new Lsn(130), 1L), (two!.From, two.Through, two.Parts));
        Assert.Equal(1, await Config.ScalarAsync<long>("SELECT count(*) FROM spill_parts"));

        Assert.Null(await Store.RemoveAsync(Log, Epoch, new Lsn(500), None));
        Assert.Empty(await Store.ListAsync(Log.PipelineId, None));
        Assert.Null(await Store.ReadAsync(Log, 0, None));
        Assert.Null(await Store.RemoveAsync(Log, Epoch, new Lsn(600), None));
    }

    [Fact]
    public async Task Should_go_on_behind_a_reader_after_it_was_emptied()
    {
        await AppendAsync(Whole(110));
        var last = (await ReadAllAsync())[^1].Sequence;
        Assert.Null(await Store.RemoveAsync(Log, Epoch, new Lsn(110), None));

        var extent = await AppendAsync(Whole(900), from: 800);

        Assert.Equal((new Lsn(800), new Lsn(900), 1L, 1L, 100L), (extent.From, extent.Through, extent.Parts, extent.Transactions, extent.RawBytes));
        AssertSame([Whole(900)], await ReadAllAsync(last));
    }

    [Fact]
    public async Task Should_keep_the_beginning_of_a_transaction_that_the_destination_does_not_have()
    {
        SpillPart[] parts = [Whole(105), Piece(1), Piece(2), Whole(200), Piece(3), Whole(300)];
        foreach (var part in parts) await AppendAsync(part);

        var one = await Store.RemoveAsync(Log, Epoch, new Lsn(110), None);
        Assert.Equal((new Lsn(105), 5L), (one!.From, one.Parts));
        AssertSame(parts[1..], await ReadAllAsync());

        var two = await Store.RemoveAsync(Log, Epoch, new Lsn(200), None);
        Assert.Equal((new Lsn(200), 2L), (two!.From, two.Parts));
        AssertSame(parts[4..], await ReadAllAsync());
    }

    [Fact]
    public async Task Should_keep_an_open_tail_when_everything_before_it_is_let_go()
    {
        await AppendAsync(Whole(110));
        await AppendAsync(Piece(1));

        var left = await Store.RemoveAsync(Log, Epoch, new Lsn(110), None);
        Assert.Equal((new Lsn(110), new Lsn(110), 1L, 0L), (left!.From, left.Through, left.Parts, left.Transactions));

        await AppendAsync(Whole(200));
        AssertSame([Piece(1), Whole(200)], await ReadAllAsync());
    }

    [Fact]
    public async Task Should_let_go_at_opening_what_has_no_end()
    {
        await AppendAsync(Whole(110));
        await AppendAsync(Piece(1));
        await AppendAsync(Piece(2));

        var extent = await Store.OpenAsync(Log, Epoch, None);

        Assert.Equal((new Lsn(100), new Lsn(110), 1L, 1L, 100L, 100L), (extent!.From, extent.Through, extent.Parts, extent.Transactions, extent.Bytes, extent.RawBytes));
        // The transaction comes again from its beginning.
        SpillPart[] again = [Piece(1), Whole(200)];
        foreach (var part in again) await AppendAsync(part);
        AssertSame([Whole(110), .. again], await ReadAllAsync());
    }

    [Fact]
    public async Task Should_be_gone_at_opening_when_nothing_in_it_has_an_end()
    {
        await AppendAsync(Piece(1));

        Assert.Null(await Store.OpenAsync(Log, Epoch, None));

        Assert.Empty(await Store.ListAsync(Log.PipelineId, None));
        Assert.Equal(0, await Config.ScalarAsync<long>("SELECT count(*) FROM spill_parts"));
        Assert.Equal((new Lsn(150), 1L), (await AppendAsync(Whole(200), from: 150)) switch { var e => (e.From, e.Parts) });
    }

    [Fact]
    public async Task Should_hold_logs_of_several_destinations_apart()
    {
        Assert.Null(await Store.OpenAsync(Other, Epoch, None));
        await AppendAsync(Whole(110));
        await Store.AppendAsync(Other, Epoch, new Lsn(50), Whole(60), None);

        Assert.Equal([(Log, new Lsn(110)), (Other, new Lsn(60))], (await Store.ListAsync(Log.PipelineId, None)).Select(e => (e.Log, e.Through)));
        await Store.RemoveAsync(Other, Epoch, new Lsn(1000), None);
        Assert.Single(await ReadAllAsync());
        await Store.AbandonAsync(Other, Epoch, "no room", None);
        Assert.Single(await ReadAllAsync());
    }

    [Fact]
    public async Task Should_know_that_it_was_given_up()
    {
        for (ulong i = 0; i < 150; i++) await AppendAsync(Whole(110 + i));

        await Store.AbandonAsync(Log, Epoch, "the budget of 1 GB is spent", None);
        await Store.AbandonAsync(Log, Epoch, "again", None);

        var extent = Assert.Single(await Store.ListAsync(Log.PipelineId, None));
        Assert.Equal((Log, 0L, 0L, 0L, 0L, "the budget of 1 GB is spent"), (extent.Log, extent.Parts, extent.Transactions, extent.Bytes, extent.RawBytes, extent.Abandoned));
        Assert.Null(extent.Oldest);
        Assert.Equal(0, await Config.ScalarAsync<long>("SELECT count(*) FROM spill_parts"));
        Assert.Null(await Store.ReadAsync(Log, 0, None));
        Assert.Equal(extent, await Store.OpenAsync(Log, Epoch, None));
        Assert.Equal(extent, await Store.RemoveAsync(Log, Epoch, Lsn.Max, None));
        var error = await Assert.ThrowsAsync<SpillStoreException>(() => AppendAsync(Whole(900)));
        Assert.Equal(Core.Errors.ErrorClass.Operator, error.Fault.Class);
        Assert.Contains("the budget of 1 GB is spent", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_know_that_a_log_was_given_up_which_never_had_a_part()
    {
        await Store.AbandonAsync(Other, Epoch, "no room", None);

        Assert.Equal("no room", Assert.Single(await Store.ListAsync(Log.PipelineId, None)).Abandoned);
        Assert.Equal("no room", (await Store.OpenAsync(Other, Epoch, None))!.Abandoned);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Should_begin_anew_in_a_new_generation(bool abandoned)
    {
        for (ulong i = 0; i < 70; i++) await AppendAsync(Whole(110 + i));
        if (abandoned) await Store.AbandonAsync(Log, Epoch, "no room", None);
        var renewed = (await Config.Attachments.RenewGenerationsAsync(Log.PipelineId, Epoch, null, None))![Log.DestinationId];
        var fresh = Log with { Generation = renewed };

        Assert.Empty(await Store.ListAsync(Log.PipelineId, None));
        Assert.Null(await Store.OpenAsync(fresh, Epoch, None));

        // However much is left of the old one, nobody waits until it is gone.
        Assert.Equal(abandoned ? 0 : 70, await Config.ScalarAsync<long>("SELECT count(*) FROM spill_parts"));
        var extent = await Store.AppendAsync(fresh, Epoch, new Lsn(10), Whole(20), None);
        Assert.Equal(abandoned ? 0 : 70, await Store.RemoveLeftoversAsync(Log.PipelineId, Epoch, None));
        Assert.Equal(1, await Config.ScalarAsync<long>("SELECT count(*) FROM spill_parts"));
        Assert.Equal((new Lsn(10), new Lsn(20), 1L, 1L), (extent.From, extent.Through, extent.Parts, extent.Transactions));
        Assert.Null(await Store.ReadAsync(Log, 0, None));
        Assert.NotNull(await Store.ReadAsync(fresh, 0, None));
        // Of the old one nothing can be written or opened any more.
        Assert.Equal(Core.Errors.ErrorClass.Transient, (await Assert.ThrowsAsync<SpillStoreException>(() => Store.OpenAsync(Log, Epoch, None))).Fault.Class);
        await Assert.ThrowsAsync<SpillStoreException>(() => Store.AbandonAsync(Log, Epoch, "late", None));
        Assert.Null(Assert.Single(await Store.ListAsync(Log.PipelineId, None)).Abandoned);
    }

    [Fact]
    public async Task Should_take_a_part_of_more_than_a_hundred_megabytes()
    {
        var part = Whole(110, bytes: 110 << 20);

        var extent = await AppendAsync(part);

        Assert.InRange(extent.Bytes, 110 << 20, 112 << 20);
        AssertSame([part], await ReadAllAsync());
    }

    [Fact]
    public async Task Should_not_read_payloads_to_say_what_it_has()
    {
        for (ulong i = 0; i < 200; i++) await AppendAsync(Whole(110 + i, bytes: 10_000));

        await Config.ExecuteAsync("ALTER TABLE spill_parts RENAME COLUMN payload TO hidden");
        Assert.Equal(200, Assert.Single(await Store.ListAsync(Log.PipelineId, None)).Parts);
        Assert.Equal(100, (await Store.RemoveAsync(Log, Epoch, new Lsn(209), None))!.Parts);
        Assert.Equal(100, (await Store.OpenAsync(Log, Epoch, None))!.Parts);
    }
}
