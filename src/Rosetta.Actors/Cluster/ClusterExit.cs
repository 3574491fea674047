using Akka.Actor;

namespace Rosetta.Actors.Cluster;

/// <summary>The exit code of a node's process, by the reason for which its actor system ended.</summary>
public static class ClusterExit
{
    /// <summary>The cluster goes on without this node, or never let it in: a supervisor starts it again.</summary>
    public const int StartAgain = 75;

    /// <summary>
    /// 0 when the node was stopped or asked to leave; <see cref="StartAgain"/> when it was taken out, could not join, or its actor system
    /// ended by itself.
    /// </summary>
    public static int CodeFor(CoordinatedShutdown.Reason? reason) => reason switch
    {
        CoordinatedShutdown.ClusterDowningReason => StartAgain,
        CoordinatedShutdown.ClusterJoinUnsuccessfulReason => StartAgain,
        CoordinatedShutdown.UnknownReason => StartAgain,
        _ => 0,
    };

    /// <summary>The exit code for an actor system that has ended.</summary>
    public static int CodeFor(ActorSystem system) => CodeFor(CoordinatedShutdown.Get(system).ShutdownReason);
}
