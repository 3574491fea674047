using Rosetta.Core.Failpoints;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>At each step of an order something is killed, or the node that carries it out is frozen: nothing is lost, nothing is done twice, nothing is left over.</summary>
public sealed class RecoveryDeathTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(Victim.Node)]
    [InlineData(Victim.Destination)]
    [InlineData(Victim.ConfigDatabase)]
    [InlineData(Victim.Redis)]
    public async Task Should_recover_once_though_something_is_killed_at_each_step(Victim victim)
    {
        await using var stage = await LetterStage.StartAsync(victim);
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
            var ended = await stage.EndAsync(await stage.KillAsync(victim, failpoint, () => stage.OrderAsync("recover-dlq", new { table = "orders" })));
            output.WriteLine($"{failpoint}: {ended}");
            Assert.Equal("COMPLETED", ended.State);
            await stage.AssertNothingLeftAsync();
            Assert.Equal(150, await stage.TargetScalarAsync<long>("SELECT count(*) FROM writes WHERE v = 100"));
            await stage.AssertSameAsync("orders");
            first += 150;
        }
    }

    [Theory]
    [InlineData(Victim.Node)]
    [InlineData(Victim.Destination)]
    [InlineData(Victim.ConfigDatabase)]
    [InlineData(Victim.Redis)]
    public async Task Should_edit_and_apply_once_though_something_is_killed_at_each_step(Victim victim)
    {
        await using var stage = await LetterStage.StartAsync(victim);
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
            var ended = await stage.EndAsync(await stage.KillAsync(victim, failpoint, () => stage.OrderAsync($"dlq/{entry}/retry", new { @new = new { v = "50" } })));
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

    [Theory]
    [InlineData(Victim.Node)]
    [InlineData(Victim.Destination)]
    [InlineData(Victim.ConfigDatabase)]
    [InlineData(Victim.Redis)]
    public async Task Should_discard_once_though_something_is_killed_at_each_step(Victim victim)
    {
        await using var stage = await LetterStage.StartAsync(victim);
        var first = 1;
        foreach (var failpoint in (string[])[
            FailpointNames.DiscardAudited, FailpointNames.DiscardTaken, FailpointNames.DiscardCommitted, FailpointNames.DiscardNoted, FailpointNames.DiscardRemoved])
        {
            await stage.SourceAsync($"UPDATE orders SET v = 100 WHERE id BETWEEN {first} AND {first + 39}");
            await stage.WaitForParkedAsync(40);
            var id = await stage.KillAsync(
                victim, failpoint, () => stage.OrderAsync("dlq/discard", new { table = "orders", reason = failpoint }),
                // It cannot end while there are payloads that have to go.
                away: victim == Victim.Redis && failpoint != FailpointNames.DiscardRemoved ? order => stage.WaitForRedisAsync(order) : null);
            var ended = await stage.EndAsync(id);
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
