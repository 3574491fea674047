namespace Rosetta.Postgres.Replication;

/// <summary>
/// How the reader behaves while the source is behind. A walsender sends each small message by itself, and as long as the reader waits for it each of
/// them wakes a thread here, which costs both sides more than coding and decoding. So, under backlog only, the reader lets bytes gather until
/// <see cref="WakeBytes"/> have come, at most for <see cref="LongestWait"/>. Without backlog it reads at once.
/// </summary>
public sealed record ReadPacing
{
    /// <summary>The defaults, found by measurement.</summary>
    public static readonly ReadPacing Default = new();

    /// <summary>Never wait, and leave the receive buffer to the system.</summary>
    public static readonly ReadPacing Off = new() { IsEnabled = false };

    public bool IsEnabled { get; init; } = true;

    /// <summary>
    /// SO_RCVBUF for a source on this machine. Much smaller, and the walsender stalls; much larger, and it works with memory that has left the caches.
    /// Over a network the system chooses: a fixed size would bound the throughput by the round-trip time.
    /// </summary>
    public int LocalReceiveBufferBytes { get; init; } = 16 * 1024;

    /// <summary>So many waiting bytes end a wait. It must stay well below <see cref="LocalReceiveBufferBytes"/>, which the system doubles.</summary>
    public int WakeBytes { get; init; } = 8 * 1024;

    /// <summary>Bound of one wait.</summary>
    public TimeSpan LongestWait { get; init; } = TimeSpan.FromMilliseconds(10);

    /// <summary>There is a backlog when a transaction is sent so long after its commit (both by the source's clock).</summary>
    public TimeSpan Backlog { get; init; } = TimeSpan.FromMilliseconds(50);
}
