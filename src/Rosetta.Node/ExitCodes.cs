using Rosetta.Actors.Cluster;

namespace Rosetta.Node;

/// <summary>The node's exit codes; <c>./rosetta node</c> starts it again after <see cref="StartAgain"/> only.</summary>
public static class ExitCodes
{
    /// <summary>A setting is wrong (EX_CONFIG of sysexits.h); the log's last line names it.</summary>
    public const int WrongSetting = 78;

    /// <summary>The cluster goes on without this node.</summary>
    public const int StartAgain = ClusterExit.StartAgain;
}
