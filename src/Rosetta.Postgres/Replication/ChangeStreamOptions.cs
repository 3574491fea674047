using Rosetta.Core.Positions;

namespace Rosetta.Postgres.Replication;

/// <summary>What a <see cref="ChangeStream"/> reads and how it cuts it into batches.</summary>
public sealed record ChangeStreamOptions
{
    public required string Slot { get; init; }

    public required IReadOnlyList<string> Publications { get; init; }

    /// <summary>
    /// The first transaction delivered is the first with a commit LSN at or after it. The server moves it forward, without a word, to the
    /// slot's confirmed_flush_lsn: compare first.
    /// </summary>
    public required Lsn Start { get; init; }

    /// <summary>Have pg_logical_emit_message's messages sent; those outside of a transaction move the delivered position on.</summary>
    public bool Messages { get; init; }

    /// <summary>
    /// A batch is handed out when it holds so many changes and no transaction is open, or twice as many: a transaction no larger than a batch is not cut.
    /// </summary>
    public int BatchChanges { get; init; } = 8192;

    /// <summary>
    /// A batch is handed out when its tuples come to so many bytes and no transaction is open, or to twice as many; the last one may exceed it.
    /// The default leaves room for that in an array of 1 MiB.
    /// </summary>
    public int BatchBytes { get; init; } = 896 * 1024;

    /// <summary>
    /// When the socket runs dry inside a transaction, finished ones before it wait so long for its end, so that small transactions are not cut.
    /// </summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMilliseconds(5);

    /// <summary>Time between status updates; null takes a quarter of the source's wal_sender_timeout, at most 10 s.</summary>
    public TimeSpan? StatusInterval { get; init; }

    /// <summary>A source that says nothing for so long, though it is asked with every status update, counts as gone.</summary>
    public TimeSpan SilenceLimit { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>After a cancellation, the time the source has to end the stream in good order.</summary>
    public TimeSpan FarewellTime { get; init; } = TimeSpan.FromSeconds(2);

    internal string ToCommand()
    {
        string publications = ReplicationText.Literal(string.Join(',', Publications.Select(ReplicationText.Identifier)));
        string messages = Messages ? ", messages 'true'" : "";
        return $"START_REPLICATION SLOT {ReplicationText.Identifier(Slot)} LOGICAL {Start} (proto_version '1', publication_names {publications}, binary 'true'{messages})";
    }
}
