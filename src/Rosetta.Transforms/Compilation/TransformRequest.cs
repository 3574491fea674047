using Rosetta.Core.Changes;
using Rosetta.Core.Tables;
using Rosetta.Transforms.Types;

namespace Rosetta.Transforms.Compilation;

/// <summary>What is to be made of a table's rows.</summary>
/// <param name="Table">The source's table; <c>custom_sql</c> names it.</param>
/// <param name="Columns">Its columns, in the order the stream has them.</param>
/// <param name="Key">Columns that have to arrive unchanged: primary key and replica identity.</param>
/// <param name="Chosen">The columns that arrive unchanged where <c>custom_sql</c> says <c>*</c> or is absent; null for all.</param>
/// <param name="FilterSql">A condition; null for all rows.</param>
/// <param name="CustomSql">A SELECT; null for the chosen columns.</param>
public sealed record TransformRequest(
    TableName Table, IReadOnlyList<SourceColumn> Columns, IReadOnlyList<string> Key, IReadOnlyList<string>? Chosen, string? FilterSql, string? CustomSql)
{
    public static TransformRequest Of(TableDescription table, IReadOnlyList<string>? chosen, TransformChoice? choice) =>
        new(table.Name, SourceColumn.Of(table), KeyOf(table), chosen, choice?.FilterSql, choice?.CustomSql);

    /// <summary>The same for rows as a relation of the stream has them, which may be older or newer than what the catalog says.</summary>
    public static TransformRequest Of(Relation relation, TableDescription table, IReadOnlyList<string>? chosen, TransformChoice? choice)
    {
        // A chosen column that the stream does not have (yet, any more) is the table planner's business.
        var names = relation.Columns.Select(c => c.Name).ToHashSet();
        return new TransformRequest(
            table.Name, SourceColumn.Of(relation, table), [.. KeyOf(table).Where(names.Contains)], chosen is null ? null : [.. chosen.Where(names.Contains)],
            choice?.FilterSql, choice?.CustomSql);
    }

    static IReadOnlyList<string> KeyOf(TableDescription table) => [.. table.PrimaryKey.Concat(table.IdentityColumns).Distinct()];
}
