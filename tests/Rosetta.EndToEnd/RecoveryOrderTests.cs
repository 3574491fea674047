using System.Diagnostics;
using Rosetta.Client;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>What operators order about parked changes is done once, in order, and can be called off.</summary>
public sealed class RecoveryOrderTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Should_recover_what_is_ordered_by_table_and_by_class_whatever_tries_it_has_had()
    {
        await using var stage = await LetterStage.StartAsync();
        await stage.SourceAsync("UPDATE orders SET v = 100 WHERE id <= 50; UPDATE others SET v = 100 WHERE id <= 20");
        await stage.WaitForParkedAsync(70);
        await stage.SourceAsync("UPDATE orders SET v = 5 WHERE id <= 25");
        await stage.WaitForParkedAsync(95);

        var refused = await stage.DoAsync("recover-dlq", new { table = "orders" });
        Assert.True(refused is { State: "COMPLETED" } && (refused["recovered"], refused["failed"], refused["remaining"]) == (0, 75, 0), $"{refused}");
        await stage.TargetAsync("ALTER TABLE orders DROP CONSTRAINT small; ALTER TABLE others DROP CONSTRAINT small");
        Assert.Equal(95, await stage.ParkedAsync());

        var byTable = await stage.DoAsync("recover-dlq", new { table = "public.orders" });
        Assert.Equal(("COMPLETED", 75, 0), (byTable.State, byTable["recovered"], byTable["failed"]));
        Assert.Equal((0, 20), (await stage.ParkedAsync("source_table = 'orders'"), await stage.ParkedAsync()));
        Assert.Equal(0, (await stage.DoAsync("recover-dlq", new { error_class = "OPERATOR" }))["recovered"]);
        Assert.Equal(20, (await stage.DoAsync("recover-dlq", new { error_class = "DATA" }))["recovered"]);
        await stage.AssertNothingLeftAsync();
        await stage.AssertSameAsync("orders", "others");
        // Each once.
        Assert.Equal((50, 25), (await stage.TargetScalarAsync<long>("SELECT count(*) FROM writes WHERE v = 100"), await stage.TargetScalarAsync<long>("SELECT count(*) FROM writes WHERE v = 5")));
    }

    [Fact]
    public async Task Should_show_what_a_retry_would_do_and_apply_an_edited_row_that_the_destination_takes()
    {
        await using var stage = await LetterStage.StartAsync();
        await stage.SourceAsync("UPDATE orders SET v = 100 WHERE id = 1; INSERT INTO orders VALUES (5000, 100, 'new'); UPDATE others SET v = 100 WHERE id = 1");
        await stage.WaitForParkedAsync(3);
        await stage.SourceAsync("UPDATE orders SET v = 7 WHERE id = 1");
        await stage.WaitForParkedAsync(4);
        var entries = await stage.EntriesAsync("public.orders");
        var (update, insert, later) = (entries[0], entries[1], entries[2]);
        const string everything = "SELECT md5(string_agg(commit_lsn::text || ordinal || payload::text || tries, ',' ORDER BY commit_lsn, ordinal)) FROM dead_letters";
        var before = await stage.ConfigScalarAsync<string>(everything);

        var shown = await stage.DoAsync($"dlq/{update}/retry", new { dry_run = true });
        Assert.Equal(("COMPLETED", false, "23514", "DATA", update, "update", "0"), (
            shown.State, (bool)shown.Result!["would_apply"]!, (string)shown.Result["sqlstate"]!, (string)shown.Result["error_class"]!, (string)shown.Result["failed_entry"]!,
            (string)shown.Result["statement"]!, (string)shown.Result["row"]!["v"]!));
        Assert.Equal([update, later], shown.Result["entries"]!.AsArray().Select(e => (string)e!));
        var edited = await stage.DoAsync($"dlq/{insert}/retry", new { dry_run = true, @new = new { v = "50" } });
        Assert.True((bool)edited.Result!["would_apply"]! && (string)edited.Result["statement"]! == "insert" && edited.Result["row"] is null, $"{edited}");

        foreach (var (row, words) in ((Dictionary<string, string?>, string)[])[
            (new() { ["v"] = "many" }, "many"), (new() { ["id"] = "5" }, "key"), (new() { ["v"] = "200" }, "small"), (new() { ["v"] = null }, "null")])
        {
            var refused = await stage.DoAsync($"dlq/{update}/retry", new Dictionary<string, object> { ["new"] = row });
            Assert.Equal("FAILED", refused.State);
            Assert.Contains(words, refused.Error, StringComparison.Ordinal);
        }

        Assert.Contains("nope", (await Assert.ThrowsAsync<ApiException>(() => stage.DoAsync($"dlq/{update}/retry", new { @new = new { nope = "1" } }))).Message, StringComparison.Ordinal);
        // Nothing of all that has left a trace.
        Assert.Equal(before, await stage.ConfigScalarAsync<string>(everything));
        Assert.Equal((4, 0, 0), (await stage.ParkedAsync(), await stage.TargetScalarAsync<long>("SELECT count(*) FROM writes"), await stage.ConfigScalarAsync<long>("SELECT count(*) FROM dead_letter_audit")));

        var applied = await stage.DoAsync($"dlq/{update}/retry", new Dictionary<string, object> { ["new"] = new Dictionary<string, string?> { ["v"] = "50", ["note"] = null } });
        Assert.True(applied.State == "COMPLETED" && applied["recovered"] == 2, $"{applied}");
        Assert.Equal("50,7", await stage.TargetScalarAsync<string>("SELECT string_agg(v::text, ',' ORDER BY n) FROM writes WHERE id = 1"));
        Assert.Equal("COMPLETED", (await stage.DoAsync($"dlq/{insert}/retry", new { @new = new { v = "50" } })).State);
        Assert.Equal(50, await stage.TargetScalarAsync<int>("SELECT v FROM orders WHERE id = 5000"));
        await Assert.ThrowsAsync<ApiException>(() => stage.DoAsync($"dlq/{insert}/retry"));
        Assert.Equal(
            "2 true true loopback",
            await stage.ConfigScalarAsync<string>("SELECT count(*) || ' ' || bool_and(payload <> edited_payload) || ' ' || bool_and(done_at IS NOT NULL) || ' ' || min(requested_by) FROM dead_letter_audit WHERE action = 'EDIT'"));
        // As it is, once nothing refuses it.
        await stage.TargetAsync("ALTER TABLE others DROP CONSTRAINT small");
        Assert.Equal(1, (await stage.DoAsync($"dlq/{(await stage.EntriesAsync()).Single()}/retry"))["recovered"]);
        await stage.AssertNothingLeftAsync();
        await stage.AssertSameAsync("others");
    }

    [Fact]
    public async Task Should_discard_one_or_all_of_a_table_or_a_class_and_keep_it_in_the_audit()
    {
        await using var stage = await LetterStage.StartAsync();
        await stage.SourceAsync("UPDATE orders SET v = 100 WHERE id IN (1, 2); UPDATE others SET v = 100 WHERE id <= 20; INSERT INTO facts VALUES (100, 'b')");
        await stage.WaitForParkedAsync(23);
        await stage.SourceAsync("UPDATE orders SET v = 7 WHERE id IN (1, 2); UPDATE others SET v = 7 WHERE id = 1; INSERT INTO facts VALUES (2, 'c')");
        await stage.WaitForParkedAsync(27);
        await Wait.UntilAsync(async () => await StateAsync("public.facts") == "PARKED", "facts to be parked whole", Installation.Patience);

        var one = await stage.DoAsync($"dlq/{(await stage.EntriesAsync("public.orders"))[0]}/discard", new { reason = "was never real" });
        Assert.True(one.State == "COMPLETED" && one["discarded"] == 1, $"{one}");
        // What waits behind it may go on.
        Assert.Equal(1, await stage.ParkedAsync("source_table = 'orders' AND key[1] = '1'"));
        var ofClass = await stage.DoAsync("dlq/discard", new { table = "others", error_class = "DATA", reason = "all of them" });
        Assert.Equal(("COMPLETED", 20, 1), (ofClass.State, ofClass["discarded"], await stage.ParkedAsync("source_table = 'others'")));
        var whole = await stage.DoAsync("dlq/discard", new { table = "facts", reason = "facts begin anew" });
        Assert.Equal(("COMPLETED", 2), (whole.State, whole["discarded"]));
        await Wait.UntilAsync(async () => await StateAsync("public.facts") == "STREAMING", "facts to stream", Installation.Patience);
        await stage.SourceAsync("INSERT INTO facts VALUES (3, 'd')");
        await Wait.UntilAsync(async () => await stage.TargetScalarAsync<long>("SELECT count(*) FROM facts WHERE w = 'd'") == 1, "facts to go on", Installation.Patience);
        Assert.Equal(0, await stage.TargetScalarAsync<long>("SELECT count(*) FROM facts WHERE w IN ('b', 'c')"));

        await stage.TargetAsync("ALTER TABLE orders DROP CONSTRAINT small");
        Assert.Equal(4, (await stage.DoAsync("recover-dlq"))["recovered"]);
        await stage.AssertNothingLeftAsync();
        await stage.AssertSameAsync("orders");
        Assert.Equal(1, await stage.TargetScalarAsync<long>("SELECT count(*) FROM writes WHERE v = 100"));
        Assert.Equal(
            "was never real 1 loopback, all of them 20 loopback, facts begin anew 2 loopback",
            await stage.ConfigScalarAsync<string>("SELECT string_agg(line, ', ' ORDER BY first) FROM (SELECT reason || ' ' || count(payload) || ' ' || min(requested_by) AS line, min(id) AS first FROM dead_letter_audit WHERE done_at IS NOT NULL GROUP BY reason) r"));

        async Task<string?> StateAsync(string table) => (await Installation.PipelineAsync(stage.Node.Api, stage.Pipeline)).Destinations[0].Tables!.Single(t => t.Table == table).State;
    }

    [Fact]
    public async Task Should_wait_for_a_paused_pipeline_and_a_destination_that_is_away_and_end_soon_when_called_off()
    {
        await using var stage = await LetterStage.StartAsync(durableTarget: true);
        await stage.ParkManyAsync();
        await stage.SlowDownAsync();
        var id = await stage.OrderAsync("recover-dlq");
        await Wait.UntilAsync(async () => (await stage.FindAsync(id))["recovered"] > 0, "some to be recovered", Installation.Patience);
        var behind = await stage.OrderAsync("recover-dlq");
        var watch = Stopwatch.StartNew();
        var cancelled = await stage.CancelAsync(id);
        output.WriteLine($"{cancelled.State} after {watch.Elapsed.TotalSeconds:0.00} s: {cancelled["recovered"]} recovered, {cancelled["remaining"]} remaining");
        Assert.Equal("CANCELLED", cancelled.State);
        // It may have begun by then.
        Assert.Equal("CANCELLED", (await stage.CancelAsync(behind)).State);
        await stage.TargetAsync("DROP TRIGGER slow ON orders");
        Assert.InRange(cancelled["recovered"], 1, 499);
        Assert.Equal(500, cancelled["recovered"] + cancelled["remaining"]);

        await stage.Node.Api.PostAsync($"pipelines/{stage.Pipeline}/pause");
        await Wait.UntilAsync(async () => (await Installation.PipelineAsync(stage.Node.Api, stage.Pipeline)).Runtime.State == "STOPPED", "the pipeline to rest", Installation.Patience);
        var left = await stage.ParkedAsync();
        var paused = await stage.OrderAsync("recover-dlq");
        Assert.Contains("paused", (await stage.FindAsync(paused)).Waiting, StringComparison.Ordinal);
        Assert.Equal("CANCELLED", (await stage.CancelAsync(paused)).State);
        await stage.Target.StopAsync();
        await stage.Node.Api.PostAsync($"pipelines/{stage.Pipeline}/start");
        var away = await stage.OrderAsync("recover-dlq");
        await Wait.UntilAsync(async () => (await stage.FindAsync(away)) is { State: "PENDING", Waiting: { } why } && why.Contains("away", StringComparison.Ordinal), "the order to say what it waits for", Installation.Patience);
        await stage.Target.StartAsync();
        var done = await stage.EndAsync(away);
        Assert.True(done.State == "COMPLETED" && done["recovered"] == left && done.Waiting is null, $"{done}");
        await stage.AssertNothingLeftAsync();
        await stage.AssertSameAsync("orders");
        Assert.Equal(500, await stage.TargetScalarAsync<long>("SELECT count(*) FROM writes WHERE v = 100"));
    }
}
