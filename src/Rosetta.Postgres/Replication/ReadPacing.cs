namespace Rosetta.Postgres.Replication;

/// <summary>
/// How the reader behaves while the source is behind. A walsender sends each small message by itself as long as the reader keeps up, which costs it
/// more than the decoding; a reader that lets the socket fill makes it send in large pieces. So, under backlog only, the reader waits until
/// <see cref="WakeBytes"/> have come, at most <see cref="LongestWait"/>. Without backlog, and over TLS (where the records decide), it reads
/// at once.
/// </summary>
public sealed record ReadPacing
{
    /// <summary>The defaults, found by measurement.</summary>
    public static readonly ReadPacing Default = new();

    /// <summary>Never wait, and leave the receive buffer to the system.</summary>
    public static readonly ReadPacing Off = new() { IsEnabled = false };

    public bool IsEnabled { get; init; } = true;

    /// <summary>SO_RCVBUF. Much smaller, and the walsender stalls; much larger, and it never has to wait.</summary>
    public int ReceiveBufferBytes { get; init; } = 48 * 1024;

    /// <summary>So many waiting bytes end a wait. It must stay well below <see cref="ReceiveBufferBytes"/>.</summary>
    public int WakeBytes { get; init; } = 16 * 1024;

    /// <summary>Bound of one wait.</summary>
    public TimeSpan LongestWait { get; init; } = TimeSpan.FromMilliseconds(5);

    /// <summary>There is a backlog when a transaction is sent so long after its commit (both by the source's clock).</summary>
    public TimeSpan Backlog { get; init; } = TimeSpan.FromMilliseconds(50);
}
