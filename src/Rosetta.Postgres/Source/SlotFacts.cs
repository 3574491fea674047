using Rosetta.Core.Positions;

namespace Rosetta.Postgres.Source;

/// <summary>A replication slot as pg_replication_slots shows it.</summary>
/// <param name="Plugin">Null for a physical slot.</param>
/// <param name="Database">Null for a physical slot.</param>
/// <param name="ActivePid">The backend that uses it, null when nobody does.</param>
/// <param name="ConfirmedFlush">Up to where the consumer has confirmed; a stream never starts before it.</param>
/// <param name="RestartLsn">The oldest WAL it needs, null once that is lost.</param>
/// <param name="WalStatus">reserved, extended, unreserved or lost.</param>
/// <param name="InvalidationReason">Why it can no longer be used (17: rows removed, WAL removed, idle too long), null while it can.</param>
/// <param name="SafeWalSize">Bytes that may still be written before it may be lost, null without a limit.</param>
/// <param name="RetainedBytes">WAL that is kept for it, in bytes.</param>
public sealed record SlotFacts(
    string Name,
    string? Plugin,
    string? Database,
    bool IsTemporary,
    bool IsTwoPhase,
    int? ActivePid,
    Lsn? ConfirmedFlush,
    Lsn? RestartLsn,
    string? WalStatus,
    string? InvalidationReason,
    long? SafeWalSize,
    long RetainedBytes)
{
    public bool IsActive => ActivePid is not null;

    /// <summary>Its WAL or its rows are gone; it can only be dropped.</summary>
    public bool IsInvalidated => InvalidationReason is not null || WalStatus == "lost" || RestartLsn is null;
}

/// <summary>Which cluster a source is, and where it stands.</summary>
/// <param name="SystemIdentifier">Unique per initdb; a restored copy has the same.</param>
/// <param name="Timeline">Grows with each promotion or recovery to a point in time.</param>
/// <param name="CurrentLsn">End of the written WAL (in recovery: of the replayed).</param>
/// <param name="History">Where earlier timelines ended, as far as it was asked for.</param>
/// <param name="VersionNumber">server_version_num, e.g. 150018.</param>
public sealed record SourceIdentity(
    string SystemIdentifier, int Timeline, Lsn CurrentLsn, bool IsInRecovery, int VersionNumber, IReadOnlyList<TimelineEnd> History);

/// <summary>A line of a timeline history file: the WAL of <paramref name="Timeline"/> counts up to <paramref name="At"/>.</summary>
public readonly record struct TimelineEnd(int Timeline, Lsn At);
