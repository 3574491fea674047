using Npgsql;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Spill;
using Rosetta.Store.Spill;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Store.Tests.Spill;

public sealed class SpillFencingTests(SpillFixture fixture) : SpillTests(fixture)
{
    [Fact]
    public async Task Should_refuse_every_write_of_an_older_incarnation()
    {
        await AppendAsync(Whole(110));
        await AppendAsync(Piece(1));
        var before = await ContentAsync();
        var newer = await IssueAsync();

        await Assert.ThrowsAsync<FencedException>(() => AppendAsync(Whole(120)));
        await Assert.ThrowsAsync<FencedException>(() => Store.OpenAsync(Log, Epoch, None));
        await Assert.ThrowsAsync<FencedException>(() => Store.RemoveAsync(Log, Epoch, new Lsn(110), None));
        await Assert.ThrowsAsync<FencedException>(() => Store.AbandonAsync(Log, Epoch, "no", None));
        await Assert.ThrowsAsync<FencedException>(() => Store.AbandonAsync(Other, Epoch, "no", None));
        Assert.Equal(before, await ContentAsync());

        Assert.Equal(1, (await Store.OpenAsync(Log, newer, None))!.Parts);
        await Store.AppendAsync(Log, newer, default, Whole(120), None);
    }

    [Fact]
    public async Task Should_refuse_a_write_that_waited_while_a_newer_epoch_was_issued()
    {
        await AppendAsync(Whole(110));
        var before = await ContentAsync();
        await using var newer = await Config.ConnectAsync();
        await using var transaction = await newer.BeginTransactionAsync();
        await using (var issue = new NpgsqlCommand("UPDATE pipeline_epochs SET epoch = epoch + 1", newer)) await issue.ExecuteNonQueryAsync();

        // Another store each, as an append must not fail twice of one.
        Task[] writes =
        [
            AppendAsync(Whole(120)), new ConfigSpillStore(Config.Database).OpenAsync(Log, Epoch, None),
            new ConfigSpillStore(Config.Database).RemoveAsync(Log, Epoch, new Lsn(110), None), new ConfigSpillStore(Config.Database).AbandonAsync(Log, Epoch, "no", None),
        ];
        await Wait.UntilAsync(
            async () => await Config.ScalarAsync<long>("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == writes.Length,
            "every write to wait for the epoch");
        await transaction.CommitAsync();

        foreach (var write in writes) await Assert.ThrowsAsync<FencedException>(() => write);
        Assert.Equal(before, await ContentAsync());
    }

    [Fact]
    public async Task Should_not_add_what_was_sent_before_it_was_opened_again()
    {
        await AppendAsync(Whole(110));
        var older = Store;
        var newer = new ConfigSpillStore(Config.Database);
        var extent = await newer.OpenAsync(Log, Epoch, None);

        // The same incarnation's, so no epoch tells it apart.
        var error = await Assert.ThrowsAsync<SpillStoreException>(() => older.AppendAsync(Log, Epoch, default, Whole(120), None));

        Assert.Equal(ErrorClass.Transient, error.Fault.Class);
        Assert.Equal(extent, Assert.Single(await Store.ListAsync(Log.PipelineId, None)));
        Assert.Equal(2, (await newer.AppendAsync(Log, Epoch, default, Whole(130), None)).Parts);
    }

    [Fact]
    public async Task Should_want_to_be_opened_before_something_is_added_and_after_a_failure()
    {
        await Assert.ThrowsAsync<InvalidOperationException>(() => Store.AppendAsync(Other, Epoch, default, Whole(120), None));

        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Store.AppendAsync(Log, Epoch, default, Whole(120), cancelled.Token));
        await Assert.ThrowsAsync<InvalidOperationException>(() => AppendAsync(Whole(120)));

        Assert.Null(await Store.OpenAsync(Log, Epoch, None));
        await AppendAsync(Whole(120));
    }

    [Fact]
    public async Task Should_wait_at_opening_for_what_is_being_written()
    {
        await AppendAsync(Whole(110));
        // A statement that has its lock on the epoch and is not through.
        await using var blocker = await Config.ConnectAsync();
        await using var transaction = await blocker.BeginTransactionAsync();
        await using (var hold = new NpgsqlCommand("SELECT FROM spill_logs FOR UPDATE", blocker)) await hold.ExecuteNonQueryAsync();
        var append = AppendAsync(Whole(120));
        await WaitingAsync(1);
        var opening = new ConfigSpillStore(Config.Database).OpenAsync(Log, Epoch, None);
        await WaitingAsync(2);

        await transaction.CommitAsync();

        Assert.Equal(new Lsn(120), (await append).Through);
        Assert.Equal((new Lsn(120), 2L), (await opening) switch { var e => (e!.Through, e.Parts) });
    }

    Task WaitingAsync(long count) => Wait.UntilAsync(
        async () => await Config.ScalarAsync<long>("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == count,
        $"{count} to wait");

    async Task<string?> ContentAsync() => await Config.ScalarAsync<string>(
        "SELECT (SELECT string_agg(l::text, ';' ORDER BY l.destination_id) FROM spill_logs l) || (SELECT string_agg(p::text, ';' ORDER BY p.destination_id, p.sequence) FROM spill_parts p)");
}
