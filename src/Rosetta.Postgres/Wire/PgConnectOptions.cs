namespace Rosetta.Postgres.Wire;

/// <summary>Settings of the transport under a <see cref="PgConnection"/>. The defaults notice a dead peer within about half a minute.</summary>
public sealed record PgConnectOptions
{
    /// <summary>The defaults.</summary>
    public static readonly PgConnectOptions Default = new();

    /// <summary>For name resolution, connection, TLS and authentication together.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long sent data may stay unacknowledged before the kernel gives the connection up (TCP_USER_TIMEOUT; Linux only).</summary>
    public TimeSpan TcpUserTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Idle time before the first TCP keepalive probe, in whole seconds.</summary>
    public TimeSpan KeepAliveTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Time between TCP keepalive probes, in whole seconds; three lost ones end the connection.</summary>
    public TimeSpan KeepAliveInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>SO_RCVBUF in bytes of a connection to this machine; null, and every connection over a network, has the system's automatic size.</summary>
    public int? LocalReceiveBufferBytes { get; init; }

    /// <summary>Size of our own read buffer in bytes. It grows while a longer message passes and shrinks again.</summary>
    public int ReadBufferBytes { get; init; } = 64 * 1024;

    /// <summary>
    /// Waits for data on a thread of the connection's own instead of the runtime's asynchronous sockets, which are woken by every packet. For a
    /// connection that receives many small messages over a long time.
    /// </summary>
    public bool ReadsOnOwnThread { get; init; }

    /// <summary>Called for every NOTICE, WARNING and the like, on the thread that reads; it must be quick and must not throw.</summary>
    public Action<PgServerMessage>? OnNotice { get; init; }
}
