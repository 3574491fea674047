using Npgsql;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Spill;
using Rosetta.Store.Runtime;
using Rosetta.Store.Spill;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Store.Tests.Spill;

/// <summary>What older generations, destinations that were taken out and pipelines that are gone had in their logs.</summary>
public sealed class SpillLeftoverTests(SpillFixture fixture) : SpillTests(fixture)
{
    [Fact]
    public async Task Should_remove_what_an_older_generation_had_and_keep_what_is_current()
    {
        for (ulong i = 0; i < 150; i++) await AppendAsync(Whole(110 + i));
        await Store.OpenAsync(Other, Epoch, None);
        for (ulong i = 0; i < 3; i++) await Store.AppendAsync(Other, Epoch, new Lsn(10), Whole(20 + i), None);
        var kept = (await Store.RemoveAsync(Other, Epoch, new Lsn(20), None))!;
        await RenewAsync(Log);

        Assert.Equal(150, await Store.RemoveLeftoversAsync(Log.PipelineId, Epoch, None));

        Assert.Equal((2L, 1L), (await CountAsync("spill_parts"), await CountAsync("spill_logs")));
        Assert.Equal(kept, Assert.Single(await Store.ListAsync(Log.PipelineId, None)));
        Assert.Equal(3, (await Store.AppendAsync(Other, Epoch, default, Whole(30), None)).Parts);
        Assert.Equal(kept.Parts + 1, (await Store.OpenAsync(Other, Epoch, None))!.Parts);
        Assert.Equal(0, await Store.RemoveLeftoversAsync(Log.PipelineId, Epoch, None));
    }

    [Fact]
    public async Task Should_keep_parts_whose_transaction_has_not_ended_and_that_a_log_was_given_up()
    {
        await AppendAsync(Whole(110));
        await AppendAsync(Piece(1));
        await Store.AbandonAsync(Other, Epoch, "no room", None);

        Assert.Equal(0, await Store.RemoveLeftoversAsync(Log.PipelineId, Epoch, None));

        await AppendAsync(Whole(200));
        AssertSame([Whole(110), Piece(1), Whole(200)], await ReadAllAsync());
        Assert.Equal("no room", Assert.Single(await Store.ListAsync(Log.PipelineId, None), e => e.Log == Other).Abandoned);
    }

    [Fact]
    public async Task Should_outlive_its_attachment_so_that_taking_it_out_deletes_no_parts_and_go_after_it()
    {
        for (ulong i = 0; i < 70; i++) await AppendAsync(Whole(110 + i));
        // Deleting a part would fail.
        await Config.ExecuteAsync(
            """
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'a part was deleted'; END $$;
            CREATE TRIGGER refuse BEFORE DELETE ON spill_parts FOR EACH ROW EXECUTE FUNCTION refuse();
            """);
        StoreUnderTest.Value(await Config.Attachments.DetachAsync(Log.PipelineId, Log.DestinationId, None));
        await Config.ExecuteAsync("DROP TRIGGER refuse ON spill_parts");
        Assert.Empty(await Store.ListAsync(Log.PipelineId, None));

        Assert.Equal(70, await Store.RemoveLeftoversAsync(Log.PipelineId, Epoch, None));

        Assert.Equal(0, await CountAsync("spill_parts") + await CountAsync("spill_logs"));
        // A lane that is still leaving cannot add to it.
        await Assert.ThrowsAsync<SpillStoreException>(() => AppendAsync(Whole(900)));
        await Assert.ThrowsAsync<SpillStoreException>(() => Store.OpenAsync(Log, Epoch, None));
    }

    [Fact]
    public async Task Should_begin_anew_when_its_destination_comes_back_before_or_after_its_parts_have_gone()
    {
        foreach (var removed in (bool[])[false, true])
        {
            var definition = (await Config.Pipelines.FindAsync(Log.PipelineId, None))!;
            var log = Log with { Generation = definition.Destinations.Single(d => d.Destination.Id == Log.DestinationId).Generation };
            await Store.OpenAsync(log, Epoch, None);
            for (ulong i = 0; i < 70; i++) await Store.AppendAsync(log, Epoch, new Lsn(100), Whole(110 + i), None);
            StoreUnderTest.Value(await Config.Attachments.DetachAsync(Log.PipelineId, Log.DestinationId, None));
            if (removed) await Store.RemoveLeftoversAsync(Log.PipelineId, Epoch, None);
            var back = StoreUnderTest.Value(await Config.Attachments.AttachAsync(Log.PipelineId, Log.DestinationId, default, [], None));
            var fresh = Log with { Generation = back.Destinations.Single(d => d.Destination.Id == Log.DestinationId).Generation };

            Assert.Null(await Store.OpenAsync(fresh, Epoch, None));
            var extent = await Store.AppendAsync(fresh, Epoch, new Lsn(10), Whole(20), None);
            Assert.Equal(removed ? 0 : 70, await Store.RemoveLeftoversAsync(Log.PipelineId, Epoch, None));

            Assert.Equal(extent, Assert.Single(await Store.ListAsync(Log.PipelineId, None)));
            Assert.Equal((new Lsn(10), new Lsn(20), 1L, 1L), (extent.From, extent.Through, extent.Parts, await CountAsync("spill_parts")));
        }
    }

    [Fact]
    public async Task Should_be_removed_by_another_pipeline_when_its_own_is_gone()
    {
        for (ulong i = 0; i < 70; i++) await AppendAsync(Whole(110 + i));
        var another = await Config.AddPipelineAsync("another");
        var epoch = (await new EpochRepository(Config.Database).IssueAsync(another.Id, null, None))!.Value;
        Assert.Equal(0, await Store.RemoveLeftoversAsync(another.Id, epoch, None));
        await Config.ExecuteAsync($"DELETE FROM pipelines WHERE id = {Log.PipelineId}");
        Assert.Equal(70, await CountAsync("spill_parts"));

        Assert.Equal(70, await Store.RemoveLeftoversAsync(another.Id, epoch, None));

        Assert.Equal(0, await CountAsync("spill_parts") + await CountAsync("spill_logs"));
    }

    [Fact]
    public async Task Should_remove_nothing_under_an_epoch_that_is_not_the_newest_or_when_a_newer_one_comes_while_it_waits()
    {
        for (ulong i = 0; i < 70; i++) await AppendAsync(Whole(110 + i));
        await RenewAsync(Log);
        await using var newer = await Config.ConnectAsync();
        await using (var transaction = await newer.BeginTransactionAsync())
        {
            await using (var issue = new NpgsqlCommand("UPDATE pipeline_epochs SET epoch = epoch + 1", newer)) await issue.ExecuteNonQueryAsync();
            var waiting = Store.RemoveLeftoversAsync(Log.PipelineId, Epoch, None);
            await Wait.UntilAsync(
                async () => await Config.ScalarAsync<long>("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == 1, "the write to wait");
            await transaction.CommitAsync();
            await Assert.ThrowsAsync<FencedException>(() => waiting);
        }

        await Assert.ThrowsAsync<FencedException>(() => Store.RemoveLeftoversAsync(Log.PipelineId, Epoch, None));
        Assert.Equal(70, await CountAsync("spill_parts"));
        Assert.Equal(70, await Store.RemoveLeftoversAsync(Log.PipelineId, Epoch + 1, None));
    }

    [Fact]
    public async Task Should_go_on_where_it_was_cut_short()
    {
        for (ulong i = 0; i < 300; i++) await AppendAsync(Whole(110 + i));
        await RenewAsync(Log);
        // After a hundred parts, whichever they are, it waits until it is called off.
        await using var blocker = await Config.ConnectAsync();
        await using (var transaction = await blocker.BeginTransactionAsync())
        {
            await Config.ExecuteAsync(
                """
                CREATE SEQUENCE deleted;
                CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    IF nextval('deleted') > 100 THEN PERFORM pg_advisory_xact_lock_shared(1); END IF;
                    RETURN OLD;
                END $$;
                CREATE TRIGGER hold BEFORE DELETE ON spill_parts FOR EACH ROW EXECUTE FUNCTION hold();
                """);
            await using (var hold = new NpgsqlCommand("SELECT pg_advisory_xact_lock(1)", blocker)) await hold.ExecuteNonQueryAsync();
            using var cancelled = new CancellationTokenSource();
            var removing = Store.RemoveLeftoversAsync(Log.PipelineId, Epoch, cancelled.Token);
            await Wait.UntilAsync(async () => await Config.ScalarAsync<long>("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == 1, "a slice to wait");
            await cancelled.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => removing);
            Assert.InRange(await CountAsync("spill_parts"), 1, 299);
        }

        await Store.RemoveLeftoversAsync(Log.PipelineId, Epoch, None);
        Assert.Equal(0, await CountAsync("spill_parts") + await CountAsync("spill_logs"));
    }

    [Fact]
    public async Task Should_not_get_in_the_way_of_a_log_that_is_opened_written_and_drained_meanwhile()
    {
        for (ulong i = 0; i < 300; i++) await AppendAsync(Whole(110 + i));
        var fresh = await RenewAsync(Log);
        var other = new ConfigSpillStore(Config.Database);
        var removing = Task.Run(async () =>
        {
            for (var i = 0; i < 20; i++) await other.RemoveLeftoversAsync(Log.PipelineId, Epoch, None);
        });
        for (ulong round = 1; round <= 20; round++)
        {
            await Store.OpenAsync(fresh, Epoch, None);
            for (ulong i = 0; i < 3; i++) await Store.AppendAsync(fresh, Epoch, new Lsn(10), Whole((round * 100) + i), None);
            await Store.AppendAsync(fresh, Epoch, default, Piece(1), None);
            await Store.RemoveAsync(fresh, Epoch, new Lsn((round * 100) + 1), None);
            Assert.Equal(new Lsn((round * 100) + 2), (await Store.OpenAsync(fresh, Epoch, None))!.Through);
            Assert.Equal(new Lsn((round * 100) + 2), (await Store.ReadAsync(fresh, 0, None))!.Part.Through);
        }

        await removing;
        await Store.RemoveLeftoversAsync(Log.PipelineId, Epoch, None);
        Assert.Equal((1L, 1L), (await CountAsync("spill_parts"), Assert.Single(await Store.ListAsync(Log.PipelineId, None)).Parts));
    }

    async Task<SpillLog> RenewAsync(SpillLog log) =>
        log with { Generation = (await Config.Attachments.RenewGenerationsAsync(log.PipelineId, Epoch, [log.DestinationId], None))![log.DestinationId] };

    Task<long> CountAsync(string table) => Config.ScalarAsync<long>($"SELECT count(*) FROM {table}");
}
