using Rosetta.Core.Failpoints;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>The node that carries out an order is killed at each step of it, or frozen: nothing is lost, nothing is done twice, nothing is left over.</summary>
public sealed class RecoveryDeathTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Should_recover_once_though_the_node_is_killed_at_each_step()
    {
        await using var stage = await LetterStage.StartAsync();
        var first = 1;
        foreach (var failpoint in (string[])[FailpointNames.RecoverApplied, FailpointNames.RecoverCommitted, FailpointNames.RecoverRemoved])
        {
            await stage.TargetAsync("ALTER TABLE orders DROP CONSTRAINT IF EXISTS small; TRUNCATE writes; ALTER TABLE orders ADD CONSTRAINT small CHECK (v < 100) NOT VALID");
            // More would be the table's fault; two transactions of the recovery.
            await stage.SourceAsync($"UPDATE orders SET v = 100 WHERE id BETWEEN {first} AND {first + 79}");
            await stage.WaitForParkedAsync(80);
            await stage.SourceAsync($"UPDATE orders SET v = 100 WHERE id BETWEEN {first + 80} AND {first + 149}");
            await stage.WaitForParkedAsync(150);
            await stage.TargetAsync("ALTER TABLE orders DROP CONSTRAINT small");
            var ended = await stage.EndAsync(await stage.DieAsync(failpoint, "recover-dlq", new { table = "orders" }));
            output.WriteLine($"{failpoint}: {ended}");
            Assert.Equal("COMPLETED", ended.State);
            await stage.AssertNothingLeftAsync();
            Assert.Equal(150, await stage.TargetScalarAsync<long>("SELECT count(*) FROM writes WHERE v = 100"));
            await stage.AssertSameAsync("orders");
            first += 150;
        }
    }

    [Fact]
    public async Task Should_edit_and_apply_once_though_the_node_is_killed_at_each_step()
    {
        await using var stage = await LetterStage.StartAsync();
        var id = 0;
        // The trial comes first, so that the second time is the one that stays.
        foreach (var failpoint in (string[])[
            FailpointNames.RecoverApplied, FailpointNames.EditAudited, FailpointNames.EditReplaced, FailpointNames.EditNoted, $"{FailpointNames.RecoverApplied}@2", FailpointNames.RecoverCommitted,
            FailpointNames.RecoverRemoved])
        {
            id++;
            await stage.SourceAsync($"UPDATE orders SET v = 100 WHERE id = {id}");
            await stage.WaitForParkedAsync(1);
            await stage.SourceAsync($"UPDATE orders SET v = 7 WHERE id = {id}");
            await stage.WaitForParkedAsync(2);
            var entry = (await stage.EntriesAsync())[0];
            var ended = await stage.EndAsync(await stage.DieAsync(failpoint, $"dlq/{entry}/retry", new { @new = new { v = "50" } }));
            output.WriteLine($"{failpoint}: {ended}");
            Assert.True(ended.State == "COMPLETED" && ended["recovered"] == 2, $"{ended}");
            await stage.AssertNothingLeftAsync();
            Assert.Equal("50,7", await stage.TargetScalarAsync<string>($"SELECT string_agg(v::text, ',' ORDER BY n) FROM writes WHERE id = {id}"));
            // What it was before, once, whatever was begun how often.
            Assert.Equal((id, id), (
                await stage.ConfigScalarAsync<long>("SELECT count(*) FROM dead_letter_audit"),
                await stage.ConfigScalarAsync<long>("SELECT count(*) FROM dead_letter_audit WHERE action = 'EDIT' AND payload <> edited_payload AND done_at IS NOT NULL")));
        }
    }

    static readonly string[] DiscardSteps =
        [FailpointNames.DiscardAudited, FailpointNames.DiscardTaken, FailpointNames.DiscardCommitted, FailpointNames.DiscardNoted, FailpointNames.DiscardRemoved];

    [Fact]
    public Task Should_discard_once_though_the_node_is_killed_at_each_step() =>
        DiscardAsync((stage, failpoint) => stage.DieAsync(failpoint, "dlq/discard", new { table = "orders", reason = failpoint }), durableTarget: false);

    [Fact]
    public Task Should_discard_once_though_the_destination_is_killed_at_each_step() =>
        DiscardAsync((stage, failpoint) => stage.LoseAsync(stage.Target, failpoint, () => stage.OrderAsync("dlq/discard", new { table = "orders", reason = failpoint })), durableTarget: true);

    [Fact]
    public Task Should_discard_once_though_the_config_database_is_killed_at_each_step() =>
        DiscardAsync((stage, failpoint) => stage.LoseAsync(stage.Installation.Config, failpoint, () => stage.OrderAsync("dlq/discard", new { table = "orders", reason = failpoint })), durableTarget: false);

    /// <param name="discard">Orders it, and has something killed at a step of it.</param>
    async Task DiscardAsync(Func<LetterStage, string, Task<string>> discard, bool durableTarget)
    {
        await using var stage = await LetterStage.StartAsync(durableTarget: durableTarget);
        var first = 1;
        foreach (var failpoint in DiscardSteps)
        {
            await stage.SourceAsync($"UPDATE orders SET v = 100 WHERE id BETWEEN {first} AND {first + 39}");
            await stage.WaitForParkedAsync(40);
            var ended = await stage.EndAsync(await discard(stage, failpoint));
            output.WriteLine($"{failpoint}: {ended}");
            Assert.True(ended.State == "COMPLETED" && ended["discarded"] == 40, $"{ended}");
            await stage.AssertNothingLeftAsync();
            Assert.Equal(40, await stage.ConfigScalarAsync<long>($"SELECT count(payload) FROM dead_letter_audit WHERE reason = '{failpoint}' AND done_at IS NOT NULL"));
            Assert.Equal(0, await stage.TargetScalarAsync<long>("SELECT count(*) FROM writes"));
            first += 40;
        }
    }

    [Fact]
    public async Task Should_write_nothing_anywhere_after_it_froze_in_a_recovery_and_was_taken_over()
    {
        await using var stage = await LetterStage.StartAsync(nodes: 2);
        await stage.ParkManyAsync();
        await stage.SlowDownAsync();
        var before = (await Installation.PipelineAsync(stage.Node.Api, stage.Pipeline)).Runtime.Node;
        var runs = stage.Installation.Nodes.Single(n => n.Runs(before));
        var other = stage.Installation.Nodes.Single(n => n != runs);
        var id = await stage.OrderAsync("recover-dlq", api: other.Api);
        await Wait.UntilAsync(async () => (await stage.FindAsync(id, other.Api))["recovered"] > 0, "some to be recovered", Installation.Patience);
        runs.Process.Freeze();
        var frozenAt = await stage.ParkedAsync();
        Assert.InRange(frozenAt, 1, 499);
        var ended = await stage.EndAsync(id, other.Api);
        output.WriteLine($"frozen with {frozenAt} changes parked; at the other node: {ended}");
        Assert.Equal("COMPLETED", ended.State);
        runs.Process.Thaw();
        await Wait.UntilAsync(() => runs.Process.HasExited, "the frozen node to find out that it was taken out", Installation.Patience);
        await stage.AssertNothingLeftAsync(other.Api);
        await stage.AssertSameAsync("orders");
        Assert.Equal(500, await stage.TargetScalarAsync<long>("SELECT count(*) FROM writes WHERE v = 100"));
        Assert.Equal("COMPLETED", (await stage.FindAsync(id, other.Api)).State);
    }
}
