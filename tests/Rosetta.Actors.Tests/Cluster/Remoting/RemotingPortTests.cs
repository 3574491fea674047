using System.Net;
using System.Net.Sockets;
using Rosetta.Actors.Cluster.Remoting;
using Rosetta.Testing.Processes;
using Xunit;

namespace Rosetta.Actors.Tests.Cluster.Remoting;

public sealed class RemotingPortTests
{
    [Fact]
    public void Should_take_the_default_port_when_it_is_free()
    {
        var free = FreePorts.Next();
        using var port = RemotingPort.Choose(null, "127.0.0.1", free);
        Assert.Equal(free, port.Port);
        Assert.False(port.FellBack);
    }

    [Fact]
    public void Should_take_any_free_port_when_the_default_one_is_taken()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        using var port = RemotingPort.Choose(null, "127.0.0.1", ((IPEndPoint)other.LocalEndpoint).Port);
        Assert.Equal(0, port.Port);
        Assert.True(port.FellBack);
    }

    [Fact]
    public void Should_not_give_the_default_port_to_two_nodes_that_have_not_bound_it_yet()
    {
        var free = FreePorts.Next();
        using var first = RemotingPort.Choose(null, "127.0.0.1", free);
        using var second = RemotingPort.Choose(null, "127.0.0.1", free);
        Assert.Equal(free, first.Port);
        Assert.Equal(0, second.Port);
    }

    [Fact]
    public void Should_insist_on_a_port_that_was_set_even_when_it_is_taken()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var taken = ((IPEndPoint)other.LocalEndpoint).Port;
        using var port = RemotingPort.Choose(taken, "127.0.0.1");
        Assert.Equal(taken, port.Port);
    }
}
