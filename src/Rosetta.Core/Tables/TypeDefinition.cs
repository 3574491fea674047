namespace Rosetta.Core.Tables;

/// <summary>What kind of thing a <see cref="TypeDefinition"/> makes.</summary>
public enum TypeKind
{
    Enum,
    Domain,
    Composite,
    Range,

    /// <summary>The type belongs to an extension, which has to be installed; <see cref="TypeDefinition.Name"/> is the extension's.</summary>
    Extension,
}

/// <summary>
/// A type outside pg_catalog that a table's columns need, directly or inside another type. Array types come with their element and have no
/// definition of their own.
/// </summary>
/// <param name="Oid">pg_type.oid (pg_extension.oid for an extension) at the source.</param>
/// <param name="Schema">Schema of the type; for an extension the schema it is installed in.</param>
/// <param name="Labels">Labels of an enum in sort order, else empty.</param>
/// <param name="CreateSql">One statement that makes it, every name qualified; the schema has to exist. It fails when the type exists
/// (an extension's does not).</param>
public sealed record TypeDefinition(uint Oid, string Schema, string Name, TypeKind Kind, IReadOnlyList<string> Labels, string CreateSql)
{
    /// <summary>The type's name as SQL, always quoted and qualified.</summary>
    public string ToSql() => $"{SqlIdentifier.Quote(Schema)}.{SqlIdentifier.Quote(Name)}";
}
