namespace Rosetta.Actors.Cluster;

/// <summary>How a node finds the others. Section <c>Rosetta:Cluster</c> of the configuration. Every value has a default for one machine.</summary>
public sealed record ClusterSettings
{
    /// <summary>Name of the actor system, and of the cluster in <c>cluster_nodes</c>. Nodes of one cluster share it.</summary>
    public const string SystemName = "rosetta";

    /// <summary>Port of Akka remoting unless another is set.</summary>
    public const int DefaultPort = 4053;

    /// <summary>Host name or address under which other nodes reach this one.</summary>
    public string Hostname { get; init; } = "127.0.0.1";

    /// <summary>Interface to listen on, if it differs from <see cref="Hostname"/> (<c>0.0.0.0</c> in a container).</summary>
    public string? BindHostname { get; init; }

    /// <summary>
    /// Port of Akka remoting. Null: <see cref="DefaultPort"/>, or a free port when that is taken. A port that was set is used or fails.
    /// </summary>
    public int? Port { get; init; }

    /// <summary>Port under which other nodes reach this one, if it differs from the one it listens on (a mapped port of a container).</summary>
    public int? PublicPort { get; init; }

    /// <summary>Roles of this node; empty means that it does everything.</summary>
    public IReadOnlyList<string> Roles { get; init; } = [];

    /// <summary>
    /// Seed nodes (<c>host:port</c>, the same list in the same order on every node). Empty: nodes find each other through the config database.
    /// </summary>
    public IReadOnlyList<string> SeedNodes { get; init; } = [];

    /// <summary>Version shown for this node; null: that of the assembly.</summary>
    public string? Version { get; init; }

    /// <exception cref="ArgumentException">A value is wrong; the message names the key and what is allowed.</exception>
    public void Validate()
    {
        if (string.IsNullOrWhiteSpace(Hostname) || Hostname.Contains(':', StringComparison.Ordinal))
            throw new ArgumentException($"Rosetta:Cluster:Hostname is '{Hostname}'; it must be a host name or an IPv4 address without a port");
        if (Hostname is "0.0.0.0")
            throw new ArgumentException(
                "Rosetta:Cluster:Hostname is '0.0.0.0', which others cannot reach; set it to this machine's address and BindHostname to 0.0.0.0");
        if (Port is < 0 or > 65535)
            throw new ArgumentException($"Rosetta:Cluster:Port is {Port}; it must be between 0 (any free port) and 65535");
        if (PublicPort is < 1 or > 65535)
            throw new ArgumentException($"Rosetta:Cluster:PublicPort is {PublicPort}; it must be between 1 and 65535");
        foreach (var seed in SeedNodes)
            if (!Membership.HostPort.TryParse(seed, out _))
                throw new ArgumentException($"Rosetta:Cluster:SeedNodes contains '{seed}'; each entry must be host:port");
    }
}
