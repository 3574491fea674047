using System.Globalization;
using Rosetta.Client.Answers;
using Rosetta.Core.Failpoints;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Equality;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>A destination that is down costs the source no more WAL than was allowed, and the other destination nothing; it gets everything, in order, when it answers.</summary>
public sealed class SpillTests(ITestOutputHelper output)
{
    const long Budget = 64 << 20;

    // Every row carries a number that only grows; a destination that sees one of a row go backwards notes it.
    const string Schema =
        """
        CREATE SEQUENCE steps;
        CREATE TABLE orders (id int PRIMARY KEY, v int NOT NULL, step bigint NOT NULL DEFAULT nextval('steps'), big text);
        ALTER TABLE orders ALTER big SET STORAGE EXTERNAL;
        INSERT INTO orders (id, v, big) SELECT i, 0, repeat('x', 3000) FROM generate_series(1, 2000) i;
        """;

    const string Watch =
        """
        CREATE TABLE backwards (id int, was bigint, became bigint);
        CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF NEW.step < OLD.step AND NEW.id = OLD.id THEN INSERT INTO backwards VALUES (OLD.id, OLD.step, NEW.step); END IF; RETURN NULL; END $$;
        CREATE TRIGGER watch AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION watch();
        ALTER TABLE orders ENABLE ALWAYS TRIGGER watch;
        """;

    static readonly Dictionary<string, string?> Settings = new() { ["ROSETTA__PIPELINES__SPILLWAL"] = Budget.ToString(CultureInfo.InvariantCulture) };

    [Theory]
    [InlineData(2, true)]
    [InlineData(1, false)]
    public async Task Should_spill_what_a_dead_destination_lacks_and_drain_it_though_the_node_dies_at_every_step(int targets, bool dies)
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var installation = await Installation.StartAsync(targets);
        var (source, dead) = (installation.Source, installation.Targets[^1]);
        await source.ExecuteAsync(Schema, Installation.Database);
        var node = await installation.StartNodeAsync(Settings);
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        foreach (var target in installation.Targets)
            await target.ExecuteAsync(Watch, Installation.Database);

        long held = 0;
        await using (var traffic = SteadyTraffic.Start(installation.SourceConnection, TimeSpan.FromMilliseconds(20), () => Statement(random)))
        {
            await dead.StopAsync();
            await Wait.UntilAsync(async () => (await DeadAsync()).Spill is { Transactions: > 100 }, "changes to be spilled", Installation.Patience);
            Assert.Equal("SPILLING", (await DeadAsync()).Lane);
            foreach (var failpoint in dies ? (string[])[FailpointNames.SpillOpened, FailpointNames.SpillBeforeAppend, FailpointNames.SpillAppended] : [])
                await DieAtAsync(failpoint);

            // A transaction larger than any part, and a new shape, on their way through the log.
            await source.ExecuteAsync("UPDATE orders SET v = v + 1, step = nextval('steps'), big = repeat('y', 5000)", Installation.Database);
            await source.ExecuteAsync("ALTER TABLE orders ADD note text DEFAULT 'new'", Installation.Database);
            // While no node ran, nobody could.
            await Wait.UntilAsync(async () => await HeldAsync() < Budget / 4, "the slot to come to the end of the log", Installation.Patience);
            var from = Installation.Lsn(await source.ScalarAsync<string>("SELECT pg_current_wal_lsn()::text"));
            await Wait.UntilAsync(
                async () =>
                {
                    held = Math.Max(held, await HeldAsync());
                    return Installation.Lsn(await source.ScalarAsync<string>("SELECT pg_current_wal_lsn()::text")) > from + (2 * Budget);
                },
                "twice the budget to be written", Installation.Patience);
            output.WriteLine($"the slot held {held >> 20} MB at most while {2 * Budget >> 20} MB were written; spilled: {(await DeadAsync()).Spill}");
            Assert.True(held < Budget, $"The slot held {held} bytes.");

            await dead.StartAsync();
            foreach (var failpoint in dies ? (string[])[FailpointNames.SpillRemoved, FailpointNames.SpillDrained] : [])
                await DieAtAsync(failpoint);
            await Wait.UntilAsync(async () => await DeadAsync() is { Lane: "ATTACHED", Spill: null }, "the spill log to be drained", Installation.Patience);
        }

        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        foreach (var i in Enumerable.Range(0, targets))
        {
            var compared = await DatabaseComparison.CompareAsync(installation.SourceConnection, installation.TargetConnection(i), [TablePair.Same("public", "orders")]);
            Assert.True(compared.Equal, $"target {i + 1}: {compared}");
            Assert.Equal(0, await installation.Targets[i].ScalarAsync<long>("SELECT count(*) FROM backwards", Installation.Database));
        }

        await Wait.UntilAsync(
            async () => await DeadAsync() is { Lane: "ATTACHED", Spill: null } && await installation.Config.ScalarAsync<long>("SELECT count(*) FROM spill_parts", "rosetta") == 0,
            "nothing to be left of the log", Installation.Patience);

        async Task<PipelineDestination> DeadAsync() => (await Installation.PipelineAsync(node.Api, pipeline)).Destinations[^1];

        Task<long> HeldAsync() => source.ScalarAsync<long>(
            $"SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint FROM pg_replication_slots WHERE slot_name = 'rosetta_p{pipeline}'");

        async Task DieAtAsync(string failpoint)
        {
            await node.KillAsync();
            await node.StartAsync(waitUntilReady: false, new Dictionary<string, string?> { [Failpoint.SettingName] = $"{failpoint}=kill" });
            await DiedAsync(failpoint);
            await node.StartAsync();
        }

        Task DiedAsync(string failpoint) => Wait.UntilAsync(() => Task.FromResult(node.Process.HasExited), $"the node to die at {failpoint}", Installation.Patience);
    }

    static string Statement(Random random)
    {
        var id = random.Next(1, 2_000).ToString(CultureInfo.InvariantCulture);
        var v = random.Next(100_000).ToString(CultureInfo.InvariantCulture);
        return random.Next(10) switch
        {
            0 => $"INSERT INTO orders (id, v, big) VALUES ({id}, {v}, 'short') ON CONFLICT (id) DO NOTHING",
            1 => $"DELETE FROM orders WHERE id = {id}",
            2 => $"UPDATE orders SET id = id + 10000, step = nextval('steps') WHERE id = {id} AND NOT EXISTS (SELECT FROM orders o WHERE o.id = {id} + 10000)",
            3 => $"UPDATE orders SET id = id - 10000, step = nextval('steps') WHERE id = {id} + 10000 AND NOT EXISTS (SELECT FROM orders o WHERE o.id = {id})",
            4 => $"UPDATE orders SET v = {v}, step = nextval('steps') WHERE id = {id}",
            _ => $"UPDATE orders SET big = repeat(md5('{v}'), 100), step = nextval('steps') WHERE id BETWEEN {id} AND {id} + 60",
        };
    }
}
