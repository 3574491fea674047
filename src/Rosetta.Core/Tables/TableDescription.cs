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
    /// <summary>UPDATE and DELETE carry what is needed to find the row: a replica identity index, or FULL.</summary>
    public bool HasReplicaIdentity => ReplicaIdentity == 'f' || IdentityColumns.Count > 0;
}

/// <param name="TypeSql">format_type(atttypid, atttypmod), schema-qualified where it is not in pg_catalog.</param>
/// <param name="DefaultSql">Default expression as SQL, null without one or for a generated column.</param>
/// <param name="MissingValue">pg_attribute.attmissingval as text: what rows older than the column have, null when there is none.</param>
/// <param name="Generated">Generated columns are not in the stream; the destination gets their value computed by the same expression.</param>
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
    bool HasBinaryForm);
