namespace Rosetta.Core.Tables;

/// <summary>What a source's table has beyond its columns and its key.</summary>
public enum TableExtraKind
{
    Index,
    UniqueIndex,
    UniqueConstraint,
    Check,
    Exclusion,
    ForeignKey,
    TableComment,
    ColumnComment,
}

/// <param name="Name">Of the index or constraint; of the column for its comment.</param>
/// <param name="Sql">Of an index what follows the table's name; of a constraint its definition; of a comment its text.</param>
/// <param name="References">The table that a foreign key refers to.</param>
/// <param name="IsDeferrable">A constraint that is DEFERRABLE.</param>
public sealed record TableExtra(TableExtraKind Kind, string Name, string Sql, TableName? References, bool IsDeferrable)
{
    /// <summary>Stands in a foreign key's definition for the table it refers to.</summary>
    public const string Referenced = "$referenced$";

    /// <summary>Rows that the source's do not meet would stop the table; with a transform they may.</summary>
    public bool Constrains => Kind is not (TableExtraKind.Index or TableExtraKind.TableComment or TableExtraKind.ColumnComment);
}

/// <summary>An index or constraint of the source's table that its destination does not have, and what to do.</summary>
public sealed record MissingExtra(string Reason, string Remedy);
