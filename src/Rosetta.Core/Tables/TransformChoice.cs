using System.Security.Cryptography;
using System.Text;

namespace Rosetta.Core.Tables;

/// <summary>What is to be made of a table's rows on their way to one destination, as its <c>table_syncs</c> entry says; in the SQL of docs/transforms.md.</summary>
/// <param name="FilterSql">A condition over the table's columns; null for all rows.</param>
/// <param name="CustomSql">A SELECT from the table itself; null for its columns as they are.</param>
public sealed record TransformChoice(string? FilterSql, string? CustomSql)
{
    /// <summary>The same for the same filter, SQL and columns, in a few characters.</summary>
    public string Fingerprint(IReadOnlyList<string>? columns)
    {
        // No part holds a character of code 0.
        var text = string.Join('\0', [FilterSql is null ? "" : $"f{FilterSql}", CustomSql is null ? "" : $"s{CustomSql}", .. (columns ?? []).Select(c => $"c{c}")]);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 16));
    }

    /// <summary>Null when nothing is asked for.</summary>
    public static TransformChoice? Of(string? filterSql, string? customSql) => filterSql is null && customSql is null ? null : new TransformChoice(filterSql, customSql);
}
