using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Destination.Targets;

/// <summary>A table at the destination, as its catalog describes it.</summary>
/// <param name="Kind">pg_class.relkind: r, p, or what cannot be written (v, m, f ...).</param>
/// <param name="PrimaryKey">Column names; empty without a primary key.</param>
/// <param name="HasOtherUnique">A unique index or exclusion constraint beside the primary key.</param>
/// <param name="HasDeferrable">A DEFERRABLE unique, primary key or exclusion constraint.</param>
/// <param name="HasUserTriggers">Triggers of users that fire for an ordinary session.</param>
/// <param name="HasForeignKeys">It refers to other tables.</param>
/// <param name="ReferencedBy">OIDs of the other tables that refer to it.</param>
sealed record TargetTable(
    uint Oid,
    TableName Name,
    char Kind,
    IReadOnlyList<TargetColumn> Columns,
    IReadOnlyList<string> PrimaryKey,
    bool HasOtherUnique,
    bool HasDeferrable,
    bool HasUserTriggers,
    bool HasForeignKeys,
    IReadOnlyList<uint> ReferencedBy)
{
    /// <summary>For statements: rows of inheriting tables are replicated by themselves, those of partitions through their root.</summary>
    public string OnlySql => Kind == 'p' ? Name.ToSql() : $"ONLY {Name.ToSql()}";

    public TargetColumn? Find(string column) => Columns.FirstOrDefault(c => c.Name == column);
}

/// <param name="TypeSql">The type without its modifier, safe in a cast.</param>
/// <param name="FullTypeSql">The type with its modifier.</param>
/// <param name="Generated">GENERATED ALWAYS AS (...) STORED: cannot be written.</param>
sealed record TargetColumn(string Name, uint TypeOid, int TypeModifier, string TypeSql, string FullTypeSql, bool Generated)
{
    /// <summary>Of a domain: the type below it, with the domain's modifier. It takes every value in the form in which the domain does, also one that the domain refuses.</summary>
    public string? BaseTypeSql { get; init; }

    /// <summary>Its collation, if it has one, tells texts apart by their bytes.</summary>
    public bool IsDeterministic { get; init; } = true;
}
