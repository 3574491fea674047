using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;

namespace Rosetta.Postgres.Source;

public enum FindingSeverity
{
    /// <summary>Good to know.</summary>
    Info,

    /// <summary>It works, with a drawback or a risk.</summary>
    Warning,

    /// <summary>The pipeline, or the one table, cannot run.</summary>
    Error,
}

/// <summary>Something about a source that is, or may become, in the way.</summary>
/// <param name="Check">A short constant name, see <see cref="PreflightChecks"/>.</param>
/// <param name="Detail">What was found and what it means, for a person.</param>
/// <param name="FixSql">SQL that mends it, to be run as it is by a role that may; null when SQL cannot.</param>
/// <param name="Table">The one table it concerns; null when it concerns the whole pipeline.</param>
public sealed record PreflightFinding(FindingSeverity Severity, string Check, string Detail, string? FixSql, TableName? Table = null);

/// <summary>All findings about a source, those of the whole pipeline first.</summary>
public sealed record PreflightReport(IReadOnlyList<PreflightFinding> Findings)
{
    /// <summary>The source's catalog as the checks read it; null when it could not be read.</summary>
    public IReadOnlyList<SourceTable>? Tables { get; init; }

    /// <summary>Nothing of severity error.</summary>
    public bool Ok => Findings.All(f => f.Severity != FindingSeverity.Error);

    /// <summary>What keeps the whole pipeline from running; null when nothing does.</summary>
    public PreflightFinding? Blocking => Findings.FirstOrDefault(f => f.Severity == FindingSeverity.Error && f.Table is null);

    /// <summary>Tables that cannot run, and why.</summary>
    public IReadOnlyDictionary<TableName, PreflightFinding> BlockedTables => Findings
        .Where(f => f.Severity == FindingSeverity.Error && f.Table is not null)
        .GroupBy(f => f.Table!.Value)
        .ToDictionary(g => g.Key, g => g.First());
}

/// <summary>The names of the checks, as the API shows them.</summary>
public static class PreflightChecks
{
    public const string Connection = "connection";
    public const string Version = "version";
    public const string Recovery = "recovery";
    public const string WalLevel = "wal_level";
    public const string ReplicationSlots = "replication_slots";
    public const string WalSenders = "wal_senders";
    public const string ReplicationRole = "replication_role";
    public const string PublicationPrivilege = "publication_privilege";
    public const string Publication = "publication";
    public const string SlotName = "slot_name";
    public const string WalRetention = "wal_retention";
    public const string SlotTimeout = "idle_replication_slot_timeout";
    public const string SenderTimeout = "wal_sender_timeout";
    public const string LongTransaction = "long_transaction";
    public const string PreparedTransaction = "prepared_transaction";
    public const string Encoding = "encoding";
    public const string SelectPrivilege = "select_privilege";
    public const string RowSecurity = "row_security";
    public const string ReplicaIdentity = "replica_identity";
    public const string Unlogged = "unlogged";
    public const string Types = "types";
    public const string RowFilter = "row_filter";
    public const string ColumnList = "column_list";
}
