using System.Globalization;

namespace Rosetta.Actors.Cluster.Membership;

/// <summary>A <c>host:port</c> as nodes are named in settings, in <c>cluster_nodes</c> and in the API.</summary>
public readonly record struct HostPort(string Host, int Port)
{
    public static bool TryParse(string? text, out HostPort value)
    {
        value = default;
        var colon = text?.LastIndexOf(':') ?? -1;
        if (colon <= 0 || text!.IndexOf(':', StringComparison.Ordinal) != colon)
            return false;
        if (!int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port is < 1 or > 65535)
            return false;
        value = new HostPort(text[..colon], port);
        return true;
    }

    public override string ToString() => $"{Host}:{Port}";
}
