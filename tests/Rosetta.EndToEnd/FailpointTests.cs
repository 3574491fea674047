using Rosetta.Core.Failpoints;
using Rosetta.EndToEnd.Failpoints;
using Rosetta.EndToEnd.Stage;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>
/// A node that dies at every named failpoint, one after the other, on one pipeline under load: each time it is started again and goes on;
/// in the end everything is equal.
/// </summary>
public sealed class FailpointTests(ITestOutputHelper output)
{
    [Fact]
    public void Should_have_a_proof_for_every_failpoint() => Assert.Equal(FailpointNames.All.Order(), FailpointWalk.Failpoints.Order());

    [Fact]
    public async Task Should_lose_and_double_nothing_when_cut_off_at_each_failpoint()
    {
        await using var installation = await Installation.StartAsync(network: true);
        await using var node = new CutOffNode(installation);
        await WalkAsync(installation, node);
    }

    [LongFact]
    public async Task Should_lose_and_double_nothing_when_killed_at_each_failpoint()
    {
        await using var installation = await Installation.StartAsync();
        await using var node = new KilledNode(await installation.StartNodeAsync());
        await WalkAsync(installation, node);
    }

    async Task WalkAsync(Installation installation, IMortalNode node)
    {
        var walk = new FailpointWalk(installation, node, output.WriteLine);
        await walk.RunAsync();
        Assert.Equal(FailpointNames.All.Order(), walk.DiedAt.Order());
    }
}
