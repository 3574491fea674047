using System.Diagnostics;
using System.Globalization;
using Rosetta.EndToEnd.Stage;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>A destination that is dead for minutes at 5,000 changes a second costs the other one no time, and the source no more WAL than was allowed.</summary>
[Trait(TimeBound.Trait, TimeBound.Value)]
public sealed class LongOutageTests(ITestOutputHelper output)
{
    /// <summary>Reached after about a minute of this traffic.</summary>
    const long Budget = 64 << 20;

    const int RowsOfStatement = 100;

    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    [LongFact]
    public Task Should_keep_the_others_lag_and_the_sources_WAL_bounded_while_a_destination_is_dead_for_five_minutes() => RunAsync(TimeSpan.FromMinutes(5));

    [LongFact]
    public Task Should_keep_the_others_lag_and_the_sources_WAL_bounded_while_a_destination_is_dead_for_twenty_minutes() => RunAsync(TimeSpan.FromMinutes(20));

    async Task RunAsync(TimeSpan outage)
    {
        await using var installation = await Installation.StartAsync(targets: 2);
        await installation.Source.ExecuteAsync(StepTable.Schema, Installation.Database);
        var node = await installation.StartNodeAsync(new Dictionary<string, string?> { ["ROSETTA__PIPELINES__SPILLWAL"] = Budget.ToString(CultureInfo.InvariantCulture) });
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        foreach (var target in installation.Targets)
            await target.ExecuteAsync(StepTable.Watch, Installation.Database);
        var dead = installation.Targets[1];
        var random = new Random(6);
        var lag = new LagSamples();
        long most = 0;
        TimeSpan? spilledAfter = null;
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
        int changes;
        TimeSpan backAfter;
        await using (var traffic = SteadyTraffic.Start(installation.SourceConnection, Pause, () => Statement(random)))
        {
            await traffic.WaitForAsync(20_000);
            await dead.KillAsync();
            var watch = Stopwatch.StartNew();
            var before = traffic.Changes;
            while (watch.Elapsed < outage)
            {
                await SampleAsync();
                if (spilledAfter is null && lag.States.Contains("SPILLING"))
                    spilledAfter = watch.Elapsed;
            }

            changes = traffic.Changes - before;
            output.WriteLine($"{changes / watch.Elapsed.TotalSeconds:0} changes a second; spilling after {spilledAfter?.TotalSeconds:0} s; spilled at the end: {(await Installation.PipelineAsync(node.Api, pipeline)).Destinations[1].Spill}");
            await dead.StartAsync();
            var back = Stopwatch.StartNew();
            while ((await Installation.PipelineAsync(node.Api, pipeline)).Destinations[1] is not { Lane: "ATTACHED", Spill: null })
            {
                await SampleAsync();
                Assert.True(back.Elapsed < outage + Installation.Patience, "It does not come back.");
            }

            backAfter = back.Elapsed;
        }

        output.WriteLine($"back on the main stream {backAfter.TotalSeconds:0.0} s after its start, under traffic");
        output.WriteLine($"lag of the other destination: {lag}");
        output.WriteLine($"WAL that the slot retained: {most / 1e6:0.0} MB at most, of {Budget / 1e6:0.0} MB");
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await StepTable.AssertEqualAsync(installation);
        Assert.NotNull(spilledAfter);
        Assert.True(changes >= 0.9 * outage.TotalSeconds * RowsOfStatement / Pause.TotalSeconds, $"The traffic was slower than it should have been: {changes} changes.");
        Assert.True(lag.Percentile(0.95) < 1, $"{lag}");
        Assert.True(most < Budget, $"The slot retained {most} bytes.");

        async Task SampleAsync()
        {
            await pace.WaitForNextTickAsync();
            var shown = await Installation.PipelineAsync(node.Api, pipeline);
            lag.Add(shown.Destinations[0].LagSeconds ?? 0);
            lag.States.Add(shown.Destinations[1].Lane ?? "");
            most = Math.Max(most, await installation.Source.ScalarAsync<long>(
                $"SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint FROM pg_replication_slots WHERE slot_name = 'rosetta_p{pipeline}'"));
        }
    }

    static string Statement(Random random)
    {
        var id = random.Next(1, 2_000 - RowsOfStatement);
        return $"UPDATE orders SET v = {random.Next(100_000)}, step = nextval('steps') WHERE id BETWEEN {id} AND {id + RowsOfStatement - 1}";
    }
}
