using System.Text.Json;
using System.Text.RegularExpressions;
using Rosetta.Core.Tables;

namespace Rosetta.Core.Backfills;

/// <summary>
/// The condition of a job in the source's SQL. It is made of three things only: names of columns from the catalog, quoted; operators of a fixed list; and values
/// as quoted literals, cast to the column's type as the catalog names it.
/// </summary>
public static partial class FilterSql
{
    const uint Bit = 1560;
    const uint Char = 1042;
    const uint Interval = 1186;
    const uint FirstUserType = 16384;

    /// <summary>Types that LIKE is for: "char", name, text, char(n), varchar.</summary>
    static readonly uint[] Texts = [18, 19, 25, Char, 1043];

    /// <summary>All filters of a job, joined by AND; null when there are none.</summary>
    /// <param name="errors">What is wrong, by the index of the filter; -1 for all of them. The condition holds only when it is empty.</param>
    public static string? Condition(IReadOnlyList<JsonElement> filters, TableDescription table, out IReadOnlyList<(int Index, string Message)> errors)
    {
        var (conditions, found) = (new List<string>(), new List<(int, string)>());
        if (filters.Count > BackfillFilter.Most)
            found.Add((-1, $"has more than {BackfillFilter.Most} filters"));
        for (var i = 0; i < filters.Count && found.Count < 10; i++)
        {
            try
            {
                conditions.Add(Of(FilterJson.Read(filters[i]), table));
            }
            catch (BackfillFilterException e)
            {
                found.Add((i, e.Message));
            }
        }

        errors = found;
        return conditions.Count == 0 ? null : string.Join(" AND ", conditions);
    }

    /// <exception cref="BackfillFilterException">The table has no such column, or LIKE is not for its type.</exception>
    public static string Of(BackfillFilter filter, TableDescription table)
    {
        var column = Find(filter, table);
        var isLike = filter.Operator is "LIKE" or "ILIKE";
        if (isLike && column.TypeOid < FirstUserType && !Texts.Contains(column.TypeOid))
            throw new BackfillFilterException($"{filter.Operator} is for text; column '{column.Name}' is {column.TypeSql}");
        var type = isLike ? "text" : WithoutLength(column);
        var values = filter.Values.Select(v => $"{SqlIdentifier.Literal(v).TrimStart()}::{type}").ToList();
        return $"{SqlIdentifier.Quote(column.Name)} {filter.Operator}" + filter.Operator switch
        {
            "IS NULL" or "IS NOT NULL" => "",
            "IN" or "NOT IN" => $" ({string.Join(", ", values)})",
            "BETWEEN" => $" {values[0]} AND {values[1]}",
            _ => $" {values[0]}",
        };
    }

    static ColumnDescription Find(BackfillFilter filter, TableDescription table)
    {
        var folded = filter.FoldsCase ? filter.Column.ToLowerInvariant() : filter.Column;
        return table.Columns.FirstOrDefault(c => c.Name == filter.Column) ?? table.Columns.FirstOrDefault(c => c.Name == folded)
            ?? throw new BackfillFilterException($"table {table.Name} has no column '{filter.Column}'");
    }

    // A cast to varchar(3) cuts, one to numeric(5,2) rounds: the value would be another one.
    static string WithoutLength(ColumnDescription column) => column.TypeOid switch
    {
        Char => "bpchar",
        Interval => "interval",
        Bit => column.TypeSql,
        < FirstUserType when column.TypeModifier != -1 => Length().Replace(column.TypeSql, ""),
        _ => column.TypeSql,
    };

    [GeneratedRegex(@"\(\d+(,-?\d+)?\)")]
    private static partial Regex Length();
}
