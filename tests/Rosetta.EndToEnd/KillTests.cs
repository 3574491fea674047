using Rosetta.EndToEnd.Stage;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>Exactly once, whatever dies: the node, a destination, the source, single backends.</summary>
public sealed class KillTests(ITestOutputHelper output)
{
    const int ChangesPerSecond = 2_000;

    [Fact]
    public async Task Should_stay_equal_when_the_node_is_killed_ten_times_at_random_moments()
    {
        var random = Seeded(out var seed);
        output.WriteLine($"seed {seed}");
        await using var installation = await Installation.StartAsync();
        await using var followed = await Followed.StartAsync(installation, ChangesPerSecond);
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        followed.Watch();
        followed.WatchSlot(pipeline, await Installation.DestinationIdsAsync(node.Api, pipeline));

        for (var i = 0; i < 10; i++)
        {
            await Task.Delay(random.Next(0, 3_000));
            await node.KillAsync();
            await node.StartAsync();
        }

        await followed.AssertEqualAsync(node.Api, pipeline);
        output.WriteLine($"{followed.Workload.Counts}");
    }

    [Theory]
    [InlineData("destination")]
    [InlineData("source")]
    public async Task Should_stay_equal_when_a_server_crashes(string which)
    {
        await using var installation = await Installation.StartAsync(source: new() { Durable = true }, durableTargets: true);
        await using var followed = await Followed.StartAsync(installation, ChangesPerSecond);
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        followed.Watch();
        followed.WatchSlot(pipeline, await Installation.DestinationIdsAsync(node.Api, pipeline));
        var server = which == "source" ? installation.Source : installation.Targets[0];

        for (var i = 0; i < 3; i++)
        {
            await followed.Workload.WaitForChangesAsync(2_000, Installation.Patience);
            await server.CrashAsync();
            await server.StartAsync();
        }

        await followed.Workload.WaitForChangesAsync(2_000, Installation.Patience);
        await followed.AssertEqualAsync(node.Api, pipeline);
    }

    [Fact]
    public async Task Should_stay_equal_when_walsenders_and_apply_backends_are_terminated()
    {
        await using var installation = await Installation.StartAsync();
        await using var followed = await Followed.StartAsync(installation, ChangesPerSecond);
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        followed.Watch();

        for (var i = 0; i < 5; i++)
        {
            await followed.Workload.WaitForChangesAsync(1_500, Installation.Patience);
            await installation.Source.KillBackendsAsync("application_name LIKE 'rosetta/%' AND backend_type = 'walsender'");
            await followed.Workload.WaitForChangesAsync(1_500, Installation.Patience);
            await installation.Targets[i % 2].KillBackendsAsync("application_name LIKE 'rosetta/%'");
        }

        await followed.AssertEqualAsync(node.Api, pipeline);
    }

    static Random Seeded(out int seed)
    {
        seed = Environment.GetEnvironmentVariable("ROSETTA_SEED") is { } given ? int.Parse(given, System.Globalization.CultureInfo.InvariantCulture) : Environment.TickCount;
        return new Random(seed);
    }
}
