namespace Rosetta.Actors.Cluster.Membership;

/// <summary><see cref="NodeState"/> as <c>cluster_nodes.state</c> spells it.</summary>
public static class NodeStates
{
    public static string ToText(this NodeState state) => state switch
    {
        NodeState.Starting => "starting",
        NodeState.Up => "up",
        NodeState.Leaving => "leaving",
        NodeState.Down => "down",
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, "not a state of cluster_nodes"),
    };

    /// <exception cref="FormatException">A newer version of the software wrote a state that this one does not know.</exception>
    public static NodeState Parse(string text) => text switch
    {
        "starting" => NodeState.Starting,
        "up" => NodeState.Up,
        "leaving" => NodeState.Leaving,
        "down" => NodeState.Down,
        _ => throw new FormatException($"cluster_nodes.state has the unknown value '{text}': a newer Rosetta wrote it; update this node"),
    };
}
