using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Equality;
using Rosetta.Testing.Workloads;
using Xunit;

namespace Rosetta.EndToEnd;

public sealed class PipelineTests
{
    [Fact]
    public async Task Should_copy_and_follow_a_database_to_two_destinations()
    {
        await using var installation = await Installation.StartAsync();
        await using var workload = await MixedWorkload.CreateAsync(new MixedWorkloadOptions
        {
            ConnectionString = installation.SourceConnection, ChangesPerSecond = 300,
        });
        workload.Start();
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await workload.WaitForChangesAsync(2_000, Installation.Patience);
        await workload.StopAsync();

        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);

        for (var i = 0; i < installation.Targets.Count; i++)
        {
            var result = await DatabaseComparison.CompareAsync(installation.SourceConnection, installation.TargetConnection(i), workload.Tables);
            Assert.True(result.Equal, result.ToString());
        }
    }
}
