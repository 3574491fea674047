using Rosetta.Testing.Servers;

namespace Rosetta.Testing.Equality;

/// <summary>
/// What is read on each side: first the sort key, then the columns. Integers and uuids are sorted as such, which the primary key's
/// index gives; anything else by its text under collation "C", so that both servers and this program agree on the order. A table
/// without a key is sorted by the text of the whole row.
/// </summary>
sealed record ComparisonPlan(
    IReadOnlyList<ColumnPair> Columns, IReadOnlyList<string> Types, IReadOnlyList<string> KeyNames, IReadOnlyList<KeyOrder> KeyOrders,
    string SourceSql, string TargetSql)
{
    /// <summary>The plan, or why the two cannot be compared.</summary>
    public static (ComparisonPlan? Plan, string? Problem) Make(TablePair pair, TableShape? source, TableShape? target)
    {
        if (source is null)
            return (null, "the source has no such table");
        if (target is null)
            return (null, "the destination has no such table");
        var columns = pair.Columns ?? [.. source.Columns.Select(c => new ColumnPair(c.Name, c.Name))];
        if (columns.Count == 0)
            return (null, "the source table has no column to compare");
        foreach (var column in columns)
        {
            if (source.Find(column.Source) is null)
                return (null, $"the source has no column {column.Source}");
            if (target.Find(column.Target) is null)
                return (null, $"the destination has no column {column.Target}");
        }

        var types = columns.Select(c => source.Find(c.Source)?.Type ?? "").ToArray();
        var key = source.Key.Select(k => columns.FirstOrDefault(c => c.Source == k)).OfType<ColumnPair>().ToArray();
        if (key.Length == 0 || key.Length != source.Key.Count)
        {
            return (new ComparisonPlan(
                columns, types, ["row"], [KeyOrder.Bytes],
                Select(pair.SourceSchema, pair.SourceTable, [RowText(columns.Select(c => c.Source))], columns.Select(c => c.Source)),
                Select(pair.TargetSchema, pair.TargetTable, [RowText(columns.Select(c => c.Target))], columns.Select(c => c.Target))), null);
        }
        var orders = key.Select(k => OrderOf(source.Find(k.Source)?.Type, target.Find(k.Target)?.Type)).ToArray();
        return (new ComparisonPlan(
            columns, types, [.. key.Select(k => k.Source)], orders,
            Select(pair.SourceSchema, pair.SourceTable, key.Select((k, i) => KeyPart(k.Source, orders[i])), columns.Select(c => c.Source)),
            Select(pair.TargetSchema, pair.TargetTable, key.Select((k, i) => KeyPart(k.Target, orders[i])), columns.Select(c => c.Target))),
            null);
    }

    static KeyOrder OrderOf(string? sourceType, string? targetType) =>
        sourceType != targetType ? KeyOrder.Bytes : sourceType switch
        {
            "smallint" or "integer" or "bigint" => KeyOrder.SignedInteger,
            "uuid" => KeyOrder.Uuid,
            _ => KeyOrder.Bytes
        };

    static string KeyPart(string column, KeyOrder order) =>
        order == KeyOrder.Bytes ? $"({SqlName.Quote(column)})::text COLLATE \"C\"" : SqlName.Quote(column);

    static string RowText(IEnumerable<string> columns) => $"ROW({string.Join(", ", columns.Select(SqlName.Quote))})::text COLLATE \"C\"";

    static string Select(string schema, string table, IEnumerable<string> keyParts, IEnumerable<string> columns)
    {
        var parts = keyParts.ToArray();
        var order = string.Join(", ", Enumerable.Range(1, parts.Length));
        return $"COPY (SELECT {string.Join(", ", parts.Concat(columns.Select(SqlName.Quote)))} FROM {SqlName.Quote(schema, table)} "
            + $"ORDER BY {order}) TO STDOUT (FORMAT binary)";
    }
}

/// <summary>How a part of the sort key is ordered, in its binary form.</summary>
enum KeyOrder
{
    /// <summary>Text under collation "C": byte by byte.</summary>
    Bytes,

    /// <summary>int2, int4, int8: big-endian, signed.</summary>
    SignedInteger,

    /// <summary>Byte by byte as well, but shown as a uuid.</summary>
    Uuid
}
