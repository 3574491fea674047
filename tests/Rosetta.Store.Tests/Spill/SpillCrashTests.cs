using System.Diagnostics;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Spill;
using Rosetta.Store.Spill;
using Rosetta.Testing.Network;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Store.Tests.Spill;

public sealed class SpillCrashTests(SpillFixture fixture) : SpillTests(fixture)
{
    [Fact]
    public async Task Should_have_what_it_answered_for_after_its_server_was_killed()
    {
        // On a server that would answer before it flushes.
        await Config.ExecuteAsync("ALTER ROLE postgres SET synchronous_commit = off");
        Config.Database.DataSource.Clear();
        try
        {
            var parts = new List<SpillPart>();
            for (ulong round = 1; round <= 3; round++)
            {
                parts.AddRange([Whole((round * 100) + 10), Piece((int)round), Whole((round * 100) + 20)]);
                SpillExtent? before = null;
                foreach (var part in parts.TakeLast(3)) before = await AppendAsync(part);
                await Server.KillAsync();
                await Server.StartAsync();

                Assert.Equal(before, await ReopenAsync());
                AssertSame(parts, await ReadAllAsync());
            }
        }
        finally
        {
            await Config.ExecuteAsync("ALTER ROLE postgres RESET synchronous_commit");
        }
    }

    [Fact]
    public async Task Should_say_how_far_it_goes_after_a_kill_in_the_middle_of_an_append()
    {
        var sure = new Lsn(100);
        for (var round = 1; round <= 4; round++)
        {
            var append = AppendAsync(Whole(100 + (ulong)round, bytes: 8 << 20));
            var watch = Stopwatch.StartNew();
            while (watch.ElapsedMilliseconds < round * 10 && !append.IsCompleted) await Task.Yield();
            await Server.KillAsync();
            var error = await Record.ExceptionAsync(() => append);
            Assert.True(error is null or SpillStoreException { Fault.Class: ErrorClass.Transient }, $"{error}");
            if (error is null) sure = new Lsn(100 + (ulong)round);
            await Server.StartAsync();

            var extent = await ReopenAsync();

            // All of it or nothing, and never less than it answered for.
            var found = await ReadAllAsync();
            Assert.True((extent?.Through ?? new Lsn(100)) >= sure, $"{extent} {sure}");
            Assert.Equal(extent?.Parts ?? 0, found.Count);
            Assert.Equal(extent?.Through, found.LastOrDefault()?.Part.Through);
        }
    }

    [Fact]
    public async Task Should_say_that_a_commit_was_done_whose_answer_was_lost()
    {
        await using var proxy = TcpProxy.Start(Server.Host, Server.Port);
        await using var away = await StoreUnderTest.OpenAsync(Url.Replace($"Port={Server.Port}", $"Port={proxy.Port}", StringComparison.Ordinal));
        var store = new ConfigSpillStore(away.Database);
        await store.OpenAsync(Log, Epoch, None);
        await store.AppendAsync(Log, Epoch, new Lsn(100), Whole(110), None);
        proxy.ToClient.Stall();

        var append = store.AppendAsync(Log, Epoch, new Lsn(100), Whole(120), None);
        await Wait.UntilAsync(async () => await Config.ScalarAsync<long>("SELECT count(*) FROM spill_parts") == 2, "the commit");
        proxy.Cut();
        proxy.Resume();

        Assert.Equal(ErrorClass.Transient, (await Assert.ThrowsAsync<SpillStoreException>(() => append)).Fault.Class);
        await Assert.ThrowsAsync<InvalidOperationException>(() => store.AppendAsync(Log, Epoch, new Lsn(100), Whole(120), None));
        Assert.Equal(new Lsn(120), (await store.OpenAsync(Log, Epoch, None))!.Through);
        Assert.Equal(3, (await store.AppendAsync(Log, Epoch, new Lsn(100), Whole(130), None)).Parts);
    }

    [Fact]
    public async Task Should_say_that_its_server_is_away_and_go_on_when_it_is_back()
    {
        await AppendAsync(Whole(110));
        await Server.KillAsync();

        foreach (var call in new Func<Task>[]
        {
            () => AppendAsync(Whole(120)), () => Store.OpenAsync(Log, Epoch, None), () => Store.ReadAsync(Log, 0, None), () => Store.RemoveAsync(Log, Epoch, new Lsn(110), None),
            () => Store.AbandonAsync(Log, Epoch, "no", None), () => Store.ListAsync(Log.PipelineId, None),
        })
        {
            var error = await Assert.ThrowsAsync<SpillStoreException>(call);
            Assert.Equal((ErrorClass.Transient, ErrorClass.Transient), (error.Fault.Class, ErrorPolicy.Classify(error)));
            Assert.Same(error.Fault, ErrorPolicy.ToFault(new InvalidOperationException("outer", error)));
            Assert.Contains("Start the config database", error.Fault.Remedy, StringComparison.Ordinal);
        }

        await Server.StartAsync();
        Assert.Equal(1, (await ReopenAsync())!.Parts);
        await AppendAsync(Whole(120));
    }

    [Fact]
    public async Task Should_let_go_the_rest_of_what_was_given_up_or_removed_when_it_was_cut_short()
    {
        for (ulong i = 0; i < 200; i++) await AppendAsync(Whole(110 + i));
        // As a crash between the two leaves it.
        await Config.ExecuteAsync("UPDATE spill_logs SET first_part = 151, from_lsn = '0/103', transactions = 50, bytes = 5000, raw_bytes = 5000");

        Assert.Equal((50L, new Lsn(0x103)), (await Store.OpenAsync(Log, Epoch, None)) switch { var e => (e!.Parts, e.From) });
        Assert.Equal(150, await Store.RemoveLeftoversAsync(Log.PipelineId, Epoch, None));

        Assert.Equal(50, await Config.ScalarAsync<long>("SELECT count(*) FROM spill_parts"));
    }

    [Fact]
    public async Task Should_say_that_the_disk_is_full_and_take_parts_when_there_is_room()
    {
        await using var disk = await SmallDisk.MountAsync(Server, (await Config.ScalarAsync<string>("SELECT current_database()"))!, "spill_parts");
        await AppendAsync(Whole(110));

        var error = await Assert.ThrowsAsync<SpillStoreException>(() => AppendAsync(Whole(120, bytes: 6 << 20)));

        Assert.Equal((ErrorClass.Operator, "53100"), (error.Fault.Class, error.Fault.SqlState));
        Assert.Contains("Make room", error.Fault.Remedy, StringComparison.Ordinal);
        Assert.Contains("spill_parts", error.Fault.Remedy, StringComparison.Ordinal);
        Assert.Equal(new Lsn(110), (await Store.OpenAsync(Log, Epoch, None))!.Through);
        AssertSame([Whole(110)], await ReadAllAsync());

        await disk.GrowAsync();
        Assert.Equal(new Lsn(120), (await AppendAsync(Whole(120, bytes: 6 << 20))).Through);
        Assert.Equal(2, (await ReadAllAsync()).Count);
    }
}
