namespace Rosetta.Core.Tables;

/// <summary>A source table as its catalog describes it: what is needed to create it elsewhere and to route its changes.</summary>
/// <param name="Oid">pg_class.oid at the source.</param>
/// <param name="Columns">Live columns in attnum order, generated ones included.</param>
/// <param name="PrimaryKey">Column names in key order; empty without a primary key.</param>
/// <param name="ReplicaIdentity">pg_class.relreplident: d, n, f or i.</param>
/// <param name="IdentityColumns">The columns of the replica identity index (the primary key under 'd'); empty when there is none.</param>
/// <param name="EstimatedRows">pg_class.reltuples, -1 when unknown.</param>
/// <param name="EstimatedBytes">Size on disk with TOAST, without indexes.</param>
public sealed record TableDescription(
    uint Oid,
    TableName Name,
    IReadOnlyList<ColumnDescription> Columns,
    IReadOnlyList<string> PrimaryKey,
    char ReplicaIdentity,
    IReadOnlyList<string> IdentityColumns,
    long EstimatedRows,
    long EstimatedBytes)
{
    /// <summary>The types outside pg_catalog that the columns need, each after those it is made of.</summary>
    public IReadOnlyList<TypeDefinition> Types { get; init; } = [];

    /// <summary>A partitioned table, which is published as one (publish_via_partition_root); its rows are those of its partitions.</summary>
    public bool IsPartitioned { get; init; }

    /// <summary>
    /// The identity rests on generated columns: they are not in the stream, and PostgreSQL 18 refuses UPDATE and DELETE of such a table once it
    /// is published with them.
    /// </summary>
    public bool IdentityIsGenerated { get; init; }

    /// <summary>UPDATE and DELETE carry what is needed to find the row: a replica identity index, or FULL.</summary>
    public bool HasReplicaIdentity => !IdentityIsGenerated && (ReplicaIdentity == 'f' || IdentityColumns.Count > 0);
}

/// <param name="TypeSql">format_type(atttypid, atttypmod), schema-qualified where it is not in pg_catalog.</param>
/// <param name="DefaultSql">Default expression as SQL. Null without one, for a generated column, and for one that uses a sequence or a
/// function that the source's users made: another database does not have it, and the values come from the source anyway.</param>
/// <param name="MissingValue">pg_attribute.attmissingval as text: what rows older than the column have, null when there is none.</param>
/// <param name="Generated">The expression, null for an ordinary column. Generated columns are not in the stream; the destination gets their value computed by the same expression.</param>
/// <param name="HasBinaryForm">The type has both a send and a receive function.</param>
public sealed record ColumnDescription(
    string Name,
    uint TypeOid,
    int TypeModifier,
    string TypeSql,
    bool NotNull,
    string? DefaultSql,
    string? MissingValue,
    string? Generated,
    bool HasBinaryForm)
{
    /// <summary>It has a default of whatever kind, also one that is not in <see cref="DefaultSql"/>.</summary>
    public bool HasDefault { get; init; } = DefaultSql is not null;

    /// <summary>Its collation calls texts equal that differ in their bytes.</summary>
    public bool IsNondeterministic { get; init; }
}
