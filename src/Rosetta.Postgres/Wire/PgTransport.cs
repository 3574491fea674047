using System.Buffers.Binary;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;

namespace Rosetta.Postgres.Wire;

/// <summary>A connected socket and the stream over it, which is TLS where that was agreed.</summary>
sealed class PgTransport(Socket socket, Stream stream, OwnThreadStream? ownThread) : IDisposable
{
    const int SslRequestCode = 80877103;
    const int IpProtoTcp = 6;
    const int TcpUserTimeoutOption = 18;

    public Socket Socket { get; } = socket;

    public Stream Stream { get; } = stream;

    /// <summary>The stream under TLS or alone, if a thread of its own reads it.</summary>
    public OwnThreadStream? OwnThread { get; } = ownThread;

    public bool IsEncrypted => Stream is SslStream;

    /// <summary>Connects and, where <paramref name="tls"/> asks for it, negotiates TLS.</summary>
    /// <exception cref="PgConnectionException">Nobody answers there, or TLS cannot be agreed on.</exception>
    public static async ValueTask<PgTransport> ConnectAsync(PgEndpoint endpoint, TlsDemand tls, PgConnectOptions options, CancellationToken cancellationToken)
    {
        (Socket socket, Stream stream) = endpoint.IsUnixSocket
            ? await ConnectUnixAsync(endpoint, options, cancellationToken)
            : await ConnectTcpAsync(endpoint, options, cancellationToken);
        try
        {
            Stream plain = stream;
            if (tls != TlsDemand.None && !endpoint.IsUnixSocket)
                stream = await NegotiateAsync(endpoint, stream, tls, cancellationToken);
            return new PgTransport(socket, stream, plain as OwnThreadStream);
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            await stream.DisposeAsync();
            throw new PgConnectionException($"The connection to {endpoint} was lost during the TLS negotiation: {e.Message}", e);
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    static async ValueTask<Stream> NegotiateAsync(PgEndpoint endpoint, Stream stream, TlsDemand tls, CancellationToken cancellationToken)
    {
        byte[] request = new byte[8];
        BinaryPrimitives.WriteInt32BigEndian(request, 8);
        BinaryPrimitives.WriteInt32BigEndian(request.AsSpan(4), SslRequestCode);
        await stream.WriteAsync(request, cancellationToken);

        // One byte, not more: bytes that follow it in plain text would be taken as if they had come encrypted (CVE-2021-23222).
        int read = await stream.ReadAsync(request.AsMemory(0, 1), cancellationToken);
        switch (read == 0 ? (byte)0 : request[0])
        {
            case (byte)'S':
                return await TlsClient.StartAsync(endpoint, stream, cancellationToken);
            case (byte)'N' when tls == TlsDemand.IfOffered:
                return stream;
            case (byte)'N':
                throw new PgConnectionException(
                    $"The server at {endpoint} does not offer TLS, and ssl mode {endpoint.SslMode.ToText()} insists on it: set ssl = on there, or choose 'prefer'");
            case 0:
                throw new PgConnectionException($"The server at {endpoint} closed the connection when it was asked for TLS");
            default:
                throw new PgConnectionException($"What answers at {endpoint} is not a PostgreSQL server (reply 0x{request[0]:x2} to a TLS request)");
        }
    }

    static async ValueTask<(Socket Socket, Stream Stream)> ConnectUnixAsync(PgEndpoint endpoint, PgConnectOptions options, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            return (socket, await ConnectAsync(socket, new UnixDomainSocketEndPoint(endpoint.UnixSocketPath), options, cancellationToken));
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new PgConnectionException($"Cannot connect to {endpoint}: {e.Message}", e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    static async ValueTask<(Socket Socket, Stream Stream)> ConnectTcpAsync(PgEndpoint endpoint, PgConnectOptions options, CancellationToken cancellationToken)
    {
        IPAddress[] addresses;
        try
        {
            addresses = await Dns.GetHostAddressesAsync(endpoint.Host, cancellationToken);
        }
        catch (SocketException e)
        {
            throw new PgConnectionException($"Cannot find the host '{endpoint.Host}': {e.Message}", e);
        }

        Exception? failure = null;
        foreach (IPAddress address in addresses)
        {
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                Configure(socket, address, options);
                return (socket, await ConnectAsync(socket, new IPEndPoint(address, endpoint.Port), options, cancellationToken));
            }
            catch (SocketException e)
            {
                socket.Dispose();
                failure ??= e;
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }

        throw new PgConnectionException($"Cannot connect to {endpoint}: {failure?.Message ?? "the host has no address"}", failure);
    }

    static async ValueTask<Stream> ConnectAsync(Socket socket, EndPoint peer, PgConnectOptions options, CancellationToken cancellationToken)
    {
        if (options.ReadsOnOwnThread)
            return await OwnThreadStream.ConnectAsync(socket, peer, cancellationToken);
        await socket.ConnectAsync(peer, cancellationToken);
        return new NetworkStream(socket, ownsSocket: true);
    }

    static void Configure(Socket socket, IPAddress address, PgConnectOptions options)
    {
        socket.NoDelay = true;
        // Before connecting: the window scale that is announced depends on it.
        if (options.LocalReceiveBufferBytes is int size && IPAddress.IsLoopback(address))
            socket.ReceiveBufferSize = size;
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, Seconds(options.KeepAliveTime));
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, Seconds(options.KeepAliveInterval));
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
        if (OperatingSystem.IsLinux() && options.TcpUserTimeout > TimeSpan.Zero)
            socket.SetRawSocketOption(IpProtoTcp, TcpUserTimeoutOption, BitConverter.GetBytes((int)options.TcpUserTimeout.TotalMilliseconds));
    }

    static int Seconds(TimeSpan time) => Math.Max(1, (int)time.TotalSeconds);

    public void Dispose()
    {
        Stream.Dispose();
        Socket.Dispose();
    }
}

/// <summary>What one connection attempt does about TLS.</summary>
enum TlsDemand
{
    None,
    IfOffered,
    Required,
}
