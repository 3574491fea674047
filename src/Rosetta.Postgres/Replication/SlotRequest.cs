using Rosetta.Core.Positions;

namespace Rosetta.Postgres.Replication;

/// <summary>A logical replication slot to be made.</summary>
/// <param name="Name">Lower-case letters, digits and underscores, at most 63.</param>
public sealed record SlotRequest(string Name)
{
    /// <summary>The slot goes when its connection ends.</summary>
    public bool IsTemporary { get; init; }

    /// <summary>
    /// Export a snapshot of exactly the slot's starting point. It lives until the next command on the same connection; others import it with
    /// SET TRANSACTION SNAPSHOT.
    /// </summary>
    public bool ExportsSnapshot { get; init; }

    /// <summary>Have the slot kept in step on standbys; PostgreSQL 17 and later, ignored before.</summary>
    public bool Failover { get; init; }

    /// <summary>The command for a server of that major version; the list of options came with 15.</summary>
    public string ToCommand(int serverVersion)
    {
        string head = $"CREATE_REPLICATION_SLOT {ReplicationText.Identifier(Name)}{(IsTemporary ? " TEMPORARY" : "")} LOGICAL pgoutput";
        if (serverVersion < 15)
            return $"{head} {(ExportsSnapshot ? "EXPORT_SNAPSHOT" : "NOEXPORT_SNAPSHOT")}";
        string failover = Failover && serverVersion >= 17 ? ", FAILOVER true" : "";
        return $"{head} (SNAPSHOT '{(ExportsSnapshot ? "export" : "nothing")}'{failover})";
    }
}

/// <summary>A slot that was made.</summary>
/// <param name="ConsistentPoint">Every transaction with a commit LSN from here on is delivered; the exported snapshot shows all before.</param>
/// <param name="SnapshotName">For SET TRANSACTION SNAPSHOT; null if none was asked for.</param>
public sealed record CreatedSlot(string Name, Lsn ConsistentPoint, string? SnapshotName);
