using System.Net;
using System.Net.Sockets;

namespace Rosetta.Testing.Processes;

/// <summary>
/// Gives out TCP ports on 127.0.0.1 nobody listens on. They lie below the kernel's ephemeral range (32768 up), so that an outgoing
/// connection never takes the port of a server that is about to restart. A port is given out once per process.
/// </summary>
public static class FreePorts
{
    const int First = 15_000;
    const int Last = 32_000;
    static readonly HashSet<int> Given = [];

    public static int Next()
    {
        for (var attempt = 0; attempt < 2_000; attempt++)
        {
            var port = Random.Shared.Next(First, Last);
            lock (Given)
            {
                if (!Given.Add(port))
                    continue;
            }
            if (IsFree(port))
                return port;
        }
        throw new InvalidOperationException($"No free TCP port found between {First} and {Last}");
    }

    /// <summary>True when a listener on 127.0.0.1 could take the port now.</summary>
    public static bool IsFree(int port)
    {
        using var listener = new TcpListener(IPAddress.Loopback, port);
        try
        {
            listener.Start();
            return true;
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.AddressAlreadyInUse or SocketError.AccessDenied)
        {
            return false;
        }
    }
}
