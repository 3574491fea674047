using System.Net;
using System.Net.Sockets;

namespace Rosetta.Actors.Cluster.Remoting;

/// <summary>
/// The port that remoting listens on. A port from the settings is used as it is. Otherwise the default port, or, when that is taken, any
/// free one.
/// </summary>
/// <remarks>
/// Nodes that start on one machine at the same instant would all find the default port free and all but one would fail to bind it. So it is
/// reserved by a locked file first, which the kernel releases when the process ends, however it ends.
/// </remarks>
public sealed class RemotingPort : IDisposable
{
    readonly FileStream? _reservation;

    RemotingPort(int port, FileStream? reservation)
    {
        Port = port;
        _reservation = reservation;
    }

    /// <summary>The port to bind; 0 means any free one.</summary>
    public int Port { get; }

    /// <summary>True when the default port was taken.</summary>
    public bool FellBack { get; private init; }

    /// <param name="configured">The port of the settings, null when none was set.</param>
    /// <param name="bindHostname">The interface that remoting will listen on.</param>
    public static RemotingPort Choose(int? configured, string bindHostname, int defaultPort = ClusterSettings.DefaultPort)
    {
        if (configured is { } port)
            return new RemotingPort(port, null);
        var reservation = TryReserve(defaultPort);
        if (reservation is not null && CanBind(bindHostname, defaultPort))
            return new RemotingPort(defaultPort, reservation);
        reservation?.Dispose();
        return new RemotingPort(0, null) { FellBack = true };
    }

    public void Dispose() => _reservation?.Dispose();

    static FileStream? TryReserve(int port)
    {
        try
        {
            return new FileStream(
                Path.Combine(Path.GetTempPath(), $"rosetta-remoting-{port}.lock"),
                FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1);
        }
        catch (Exception taken) when (taken is IOException or UnauthorizedAccessException)
        {
            // Held by another node, or left by a node of another user: a free port is as good.
            return null;
        }
    }

    static bool CanBind(string hostname, int port)
    {
        try
        {
            var address = IPAddress.TryParse(hostname, out var parsed) ? parsed : Dns.GetHostAddresses(hostname)[0];
            using var listener = new TcpListener(address, port);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
