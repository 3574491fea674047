namespace Rosetta.Core.Changes;

/// <summary>pgoutput's Relation message: the shape of the tuples that follow it. Immutable; a changed table is another object.</summary>
/// <param name="Id">OID of the table at the source.</param>
/// <param name="Identity">What an UPDATE or DELETE carries as the old tuple.</param>
/// <param name="Columns">In the order of the tuples. Generated and unpublished columns are absent.</param>
public sealed record Relation(uint Id, string Schema, string Name, ReplicaIdentity Identity, IReadOnlyList<RelationColumn> Columns)
{
    /// <summary>Same columns, types and key; the table's name may differ.</summary>
    public bool HasShapeOf(Relation other) => Identity == other.Identity && Columns.SequenceEqual(other.Columns);
}

/// <param name="TypeOid">OID of the type at the source; user types have another one at the destination.</param>
/// <param name="TypeModifier">atttypmod, -1 for none.</param>
/// <param name="IsKey">Part of the replica identity. Under FULL every column is marked, so this is not the primary key.</param>
public readonly record struct RelationColumn(string Name, uint TypeOid, int TypeModifier, bool IsKey);

/// <summary>pg_class.relreplident.</summary>
public enum ReplicaIdentity : byte
{
    Default = (byte)'d',
    Nothing = (byte)'n',
    Full = (byte)'f',
    Index = (byte)'i',
}
