using Akka.Actor;
using AkkaUniqueAddress = Akka.Cluster.UniqueAddress;

namespace Rosetta.Actors.Cluster.Membership;

/// <summary>One incarnation of a node: where it is reached and which actor system it is.</summary>
/// <param name="Address"><c>host:port</c> of Akka remoting, as other nodes reach it.</param>
/// <param name="Uid">Akka's uid of the actor system; a restarted process at the same address has another one.</param>
public sealed record NodeKey(string Address, int Uid)
{
    public static NodeKey Of(AkkaUniqueAddress node) => new(HostPort(node.Address), node.Uid);

    /// <summary><c>host:port</c> of an address that has both.</summary>
    public static string HostPort(Address address) => $"{address.Host}:{address.Port}";

    public override string ToString() => $"{Address}#{Uid}";
}
