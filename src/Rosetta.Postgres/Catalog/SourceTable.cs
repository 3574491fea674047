using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Catalog;

/// <summary>A table of the source with what decides whether and how it can be replicated.</summary>
/// <param name="Description">As destinations see it.</param>
/// <param name="IsPartition">A partition of another table.</param>
/// <param name="IsUnlogged">Its changes are not in the WAL.</param>
/// <param name="Owner">Role that owns it.</param>
/// <param name="OwnerIsSuperuser">The owner is a superuser: membership in it would give everything.</param>
/// <param name="IsOwner">Our role owns it or is a member of the owner: it may be added to a publication.</param>
/// <param name="HasSchemaUsage">Our role has USAGE on its schema.</param>
/// <param name="CanSelect">Our role may read every column.</param>
/// <param name="RowSecurityApplies">Row level security hides rows from our role.</param>
/// <param name="IsLocked">Somebody held or awaited ACCESS EXCLUSIVE on it: defaults and expressions were not read.</param>
/// <param name="IsPublished">In one of the publications that were asked about.</param>
/// <param name="CandidateIndex">A unique index that could serve as replica identity, null when there is none.</param>
/// <param name="UndecodableColumns">Columns whose type has a send function that fails because of something inside it: an array, a domain or
/// the like over a type without binary form. Decoding such a table in binary mode ends the stream.</param>
public sealed record SourceTable(
    TableDescription Description,
    bool IsPartition,
    bool IsUnlogged,
    string Owner,
    bool OwnerIsSuperuser,
    bool IsOwner,
    bool HasSchemaUsage,
    bool CanSelect,
    bool RowSecurityApplies,
    bool IsLocked,
    bool IsPublished,
    string? CandidateIndex,
    IReadOnlyList<string> UndecodableColumns)
{
    public TableName Name => Description.Name;

    /// <summary>A partitioned table: has no rows of its own and is replicated as its leaf partitions, unless a publication says via root.</summary>
    public bool IsPartitioned => Description.IsPartitioned;

    /// <summary>Can be added to a publication and be decoded at all.</summary>
    public bool CanBeReplicated => !IsUnlogged && UndecodableColumns.Count == 0;
}
