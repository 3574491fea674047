using Akka.Configuration;

namespace Rosetta.Actors.Cluster.Downing;

/// <summary>The bounds of <c>rosetta.cluster</c> in <c>hocon/cluster.conf</c>, where each is explained.</summary>
public sealed record DowningTimings(
    TimeSpan StableAfter, TimeSpan HeartbeatStaleAfter, TimeSpan PartitionStableAfter, TimeSpan PartitionGrace, TimeSpan DatabaseSettledAfter)
{
    /// <param name="config">The block <c>rosetta.cluster</c>.</param>
    public static DowningTimings From(Config config) => new(
        config.GetTimeSpan("stable-after"),
        config.GetTimeSpan("heartbeat-stale-after"),
        config.GetTimeSpan("partition-stable-after"),
        config.GetTimeSpan("partition-grace"),
        config.GetTimeSpan("database-settled-after"));
}
