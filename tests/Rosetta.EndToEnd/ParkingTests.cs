using Rosetta.Core.Failpoints;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Equality;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>Changes that one destination refuses are parked there, whatever dies meanwhile, and come back in order; the other destination never notices.</summary>
public sealed class ParkingTests(ITestOutputHelper output)
{
    // Of Redis the config database knows which queues may have some.
    const string Payloads = "SELECT (SELECT count(*) FROM dead_letters) + (SELECT count(*) FROM dead_letter_queues)";

    static readonly Dictionary<string, string?> Settings = new() { ["ROSETTA__PIPELINES__RECOVERYINTERVAL"] = "00:00:01", ["ROSETTA__PIPELINES__RECOVERYTRIES"] = "1000" };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Should_park_what_one_destination_refuses_and_bring_it_back_in_order_though_the_node_dies_at_every_step(bool inRedis)
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var installation = await Installation.StartAsync(targets: 2);
        var (source, good, bad) = (installation.Source, installation.Targets[0], installation.Targets[1]);
        await source.ExecuteAsync(StepTable.Schema, Installation.Database);
        await using var redis = inRedis ? await RedisServer.StartAsync(new RedisServerOptions { Durable = true }) : null;
        var node = await installation.StartNodeAsync(redis is null ? Settings : new Dictionary<string, string?>(Settings) { ["REDIS_URL"] = $"redis://{redis.Host}:{redis.Port}" });
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        foreach (var target in installation.Targets)
            await target.ExecuteAsync(StepTable.Watch, Installation.Database);
        await bad.ExecuteAsync("ALTER TABLE orders ADD CONSTRAINT refused CHECK (v % 50 <> 7)", Installation.Database);

        await using (var traffic = SteadyTraffic.Start(installation.SourceConnection, TimeSpan.FromMilliseconds(5), () => StepTable.SmallStatement(random)))
        {
            foreach (var failpoint in FailpointNames.Parking.Where(f => f.StartsWith("park.", StringComparison.Ordinal)))
                await DieAtAsync(failpoint);
            if (redis is not null)
            {
                // What is to be parked waits for it, and so does what comes behind.
                await redis.KillAsync();
                await redis.StartAsync();
            }

            await Wait.UntilAsync(async () => await ParkedAsync() > 20, "changes to be parked", Installation.Patience);
            Assert.Equal(inRedis, await installation.Config.ScalarAsync<long>("SELECT count(*) FROM dead_letter_queues", "rosetta") > 0);
            await source.ExecuteAsync("ALTER TABLE orders ADD note text DEFAULT 'new'", Installation.Database);
            // The stream tells of a column with the first change after it.
            var enough = Math.Max(4_000, traffic.Changes + 500);
            await Wait.UntilAsync(() => Task.FromResult(traffic.Changes > enough), "traffic", Installation.Patience);
        }

        // The other destination has everything; this one everything but the rows that have something parked.
        await Wait.UntilAsync(async () => await ReachedAsync(), "both destinations to have come by everything", Installation.Patience);
        var parked = await ParkedAsync();
        output.WriteLine($"{parked} changes parked at the end of the traffic, {await bad.ScalarAsync<long>("SELECT count(*) FROM rosetta.parked WHERE failed", Installation.Database)} of them refused themselves");
        var unharmed = await CompareAsync(good);
        Assert.True(unharmed.Equal, unharmed.ToString());
        const string keys = "SELECT unnest(array_remove(ARRAY[key[1], moved_to[1]], NULL))::int FROM rosetta.parked";
        var held = await bad.ScalarAsync<int[]>($"SELECT coalesce(array_agg(DISTINCT k), '{{}}') FROM ({keys}) k (k)", Installation.Database);
        var wanted = $"SELECT coalesce(string_agg(id || ' ' || v || ' ' || step || ' ' || md5(coalesce(big, '')), ',' ORDER BY id), '') FROM orders WHERE id <> ALL ('{{{string.Join(',', held!)}}}')";
        Assert.Equal(await source.ScalarAsync<string>(wanted, Installation.Database), await bad.ScalarAsync<string>(wanted, Installation.Database));

        // Nothing refuses them any more: they come back, though the node dies on the way.
        await node.KillAsync();
        await bad.ExecuteAsync("ALTER TABLE orders DROP CONSTRAINT refused", Installation.Database);
        await node.StartAsync(extra: new Dictionary<string, string?> { [Failpoint.SettingName] = $"{FailpointNames.RecoverApplied}=kill" });
        await DiedAsync(FailpointNames.RecoverApplied);
        await node.StartAsync(extra: new Dictionary<string, string?> { [Failpoint.SettingName] = $"{FailpointNames.RecoverCommitted}=kill" });
        await DiedAsync(FailpointNames.RecoverCommitted);
        await node.StartAsync();
        await Wait.UntilAsync(async () => await ParkedAsync() == 0, "nothing to be parked any more", Installation.Patience);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        var compared = await CompareAsync(bad);
        Assert.True(compared.Equal, compared.ToString());
        foreach (var target in installation.Targets)
            Assert.Equal(0, await target.ScalarAsync<long>("SELECT count(*) FROM backwards", Installation.Database));
        await Wait.UntilAsync(async () => await installation.Config.ScalarAsync<long>(Payloads, "rosetta") == 0, "no payload to be left", Installation.Patience);
        Assert.All((await Installation.PipelineAsync(node.Api, pipeline)).Destinations.SelectMany(d => d.Tables ?? []), t => Assert.Equal(("STREAMING", null), (t.State, t.Error)));

        async Task DieAtAsync(string failpoint)
        {
            await node.KillAsync();
            await node.StartAsync(waitUntilReady: false, new Dictionary<string, string?> { [Failpoint.SettingName] = $"{failpoint}=kill" });
            await DiedAsync(failpoint);
            await node.StartAsync();
        }

        Task DiedAsync(string failpoint) => Wait.UntilAsync(() => Task.FromResult(node.Process.HasExited), $"the node to die at {failpoint}", Installation.Patience);

        Task<long> ParkedAsync() => bad.ScalarAsync<long>("SELECT count(*) FROM rosetta.parked", Installation.Database);

        async Task<bool> ReachedAsync()
        {
            var end = Installation.Lsn(await source.ScalarAsync<string>("SELECT pg_current_wal_lsn()::text", Installation.Database));
            return (await Installation.PipelineAsync(node.Api, pipeline)).Destinations.All(d => d.AppliedLsn is { } applied && Installation.Lsn(applied) >= end);
        }

        Task<DatabaseComparisonResult> CompareAsync(PostgresServer target) => DatabaseComparison.CompareAsync(
            installation.SourceConnection, target.ConnectionString(Installation.Database), StepTable.Tables);
    }
}
