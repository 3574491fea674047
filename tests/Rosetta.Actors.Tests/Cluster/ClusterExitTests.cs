using Akka.Actor;
using Rosetta.Actors.Cluster;
using Xunit;

namespace Rosetta.Actors.Tests.Cluster;

public sealed class ClusterExitTests
{
    public static TheoryData<CoordinatedShutdown.Reason?, int> Reasons => new()
    {
        { CoordinatedShutdown.ClusterDowningReason.Instance, ClusterExit.StartAgain },
        { CoordinatedShutdown.ClusterJoinUnsuccessfulReason.Instance, ClusterExit.StartAgain },
        { CoordinatedShutdown.UnknownReason.Instance, ClusterExit.StartAgain },
        { CoordinatedShutdown.ClusterLeavingReason.Instance, 0 },
        { CoordinatedShutdown.ActorSystemTerminateReason.Instance, 0 },
        { CoordinatedShutdown.ClrExitReason.Instance, 0 },
    };

    [Theory]
    [MemberData(nameof(Reasons))]
    public void Should_ask_for_a_restart_only_when_the_cluster_goes_on_without_the_node(CoordinatedShutdown.Reason? reason, int code) =>
        Assert.Equal(code, ClusterExit.CodeFor(reason));
}
