using Rosetta.Core.Changes;
using Rosetta.Core.Tables;

namespace Rosetta.Transforms.Types;

/// <summary>A column of the source's table, as an expression may name it.</summary>
/// <param name="IsEnum">A type made by CREATE TYPE ... AS ENUM: its values are labels.</param>
/// <param name="IsGenerated">Not in the stream: the destination computes it.</param>
public sealed record SourceColumn(string Name, uint TypeOid, int TypeModifier, string TypeSql, bool IsEnum = false, bool IsGenerated = false)
{
    /// <summary>From the catalog.</summary>
    public static IReadOnlyList<SourceColumn> Of(TableDescription table)
    {
        var enums = table.Types.Where(t => t.Kind == TypeKind.Enum).Select(t => t.Oid).ToHashSet();
        return [.. table.Columns.Select(c => new SourceColumn(c.Name, c.TypeOid, c.TypeModifier, c.TypeSql, enums.Contains(c.TypeOid), c.Generated is not null))];
    }

    /// <summary>From the stream, with what only the catalog knows where it still speaks of the same type.</summary>
    public static IReadOnlyList<SourceColumn> Of(Relation relation, TableDescription table)
    {
        var known = Of(table).ToLookup(c => c.TypeOid);
        return
        [
            .. relation.Columns.Select(c =>
            {
                var same = known[c.TypeOid].FirstOrDefault(k => k.Name == c.Name) ?? known[c.TypeOid].FirstOrDefault();
                return new SourceColumn(c.Name, c.TypeOid, c.TypeModifier, same?.TypeSql ?? $"type {c.TypeOid}", same?.IsEnum ?? false);
            }),
        ];
    }

    /// <summary>Values of the type may be moved out of the row, and an update that leaves them alone does not bring them.</summary>
    public bool MayToast => PgTypes.IsVariableLength(TypeOid);
}
