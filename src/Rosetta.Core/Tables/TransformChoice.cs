namespace Rosetta.Core.Tables;

/// <summary>What is to be made of a table's rows on their way to one destination, as its <c>table_syncs</c> entry says; in the SQL of docs/transforms.md.</summary>
/// <param name="FilterSql">A condition over the table's columns; null for all rows.</param>
/// <param name="CustomSql">A SELECT from the table itself; null for its columns as they are.</param>
public sealed record TransformChoice(string? FilterSql, string? CustomSql)
{
    /// <summary>Null when nothing is asked for.</summary>
    public static TransformChoice? Of(string? filterSql, string? customSql) => filterSql is null && customSql is null ? null : new TransformChoice(filterSql, customSql);
}
