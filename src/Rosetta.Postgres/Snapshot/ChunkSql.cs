using System.Globalization;
using System.Text.Json;
using Rosetta.Core.Chunks;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Snapshot;

/// <summary>Conditions on a table's key, the same at source and destination. Values are literals of the column's type.</summary>
static class ChunkSql
{
    public static string From(TableDescription table) => $"{(table.IsPartitioned ? "" : "ONLY ")}{table.Name.ToSql()}";

    /// <summary>What follows a condition to narrow it to the rows that are wanted.</summary>
    public static string Filter(ChunkTable table) => string.Concat(new[] { table.RowFilter, table.Condition, table.From is { } from ? Pages(from.Pages, null) : null }.Where(f => f is not null).Select(f => $" AND ({f})"));

    /// <param name="to">The first page that is not wanted; null for all.</param>
    public static string Pages(long from, long? to) =>
        string.Create(CultureInfo.InvariantCulture, $"ctid >= '({from},0)'::tid") + (to is { } end ? string.Create(CultureInfo.InvariantCulture, $" AND ctid < '({end},0)'::tid") : "");

    public static string KeyColumns(TableDescription table, string prefix = "") =>
        string.Join(", ", table.PrimaryKey.Select(k => prefix + SqlIdentifier.Quote(k)));

    // Under names of their own: ORDER BY prefers a name of the output to the table's column, and would sort text.
    public static string KeyTexts(TableDescription table) => string.Join(", ", table.PrimaryKey.Select((k, i) => string.Create(CultureInfo.InvariantCulture, $"{SqlIdentifier.Quote(k)}::text AS rosetta_key_{i}")));

    /// <summary>The key of the last of so many rows after a key; null when there are fewer.</summary>
    public static async ValueTask<IReadOnlyList<string>?> LastKeyAsync(
        PgConnection connection, ChunkTable table, IReadOnlyList<string>? after, int rows, CancellationToken cancellationToken)
    {
        var last = await connection.QueryAsync(
            $"SELECT {KeyTexts(table.Table)} FROM {From(table.Table)} WHERE {Range(table.Table, new ChunkRange(after, null))}{Filter(table)} ORDER BY {KeyColumns(table.Table)} OFFSET {(rows - 1).ToString(CultureInfo.InvariantCulture)} LIMIT 1",
            cancellationToken);
        return last.Rows.Count == 0 ? null : [.. Enumerable.Range(0, table.Key.Count).Select(i => last.RequiredText(0, i))];
    }

    /// <summary>How many rows the planner takes the table to have of those that are wanted.</summary>
    /// <exception cref="PgServerException">The server cannot evaluate the condition: some rows were tried.</exception>
    public static async ValueTask<long> EstimateAsync(PgConnection connection, ChunkTable table, CancellationToken cancellationToken)
    {
        var filter = $"WHERE true{Filter(table with { From = null })}";
        await connection.QueryAsync($"SELECT count(*) FROM (SELECT * FROM {From(table.Table)} LIMIT {RowsTried}) {SqlIdentifier.Quote(table.Table.Name.Name)} {filter}", cancellationToken);
        var found = await connection.QueryAsync($"EXPLAIN (FORMAT JSON) SELECT FROM {From(table.Table)} {filter}", cancellationToken);
        using var plan = JsonDocument.Parse(found.RequiredText(0, 0));
        return plan.RootElement[0].GetProperty("Plan").GetProperty("Plan Rows").GetInt64();
    }

    const string RowsTried = "1000";

    /// <summary>Rows lie about in the order of their key, as far as the table's statistics know.</summary>
    public static async ValueTask<bool> IsOrderedAsync(PgConnection connection, TableDescription table, CancellationToken cancellationToken)
    {
        var found = await connection.QueryAsync(
            $"""
            SELECT s.correlation > 0.9 FROM pg_stats s
             WHERE s.schemaname = {SqlIdentifier.Literal(table.Name.Schema)} AND s.tablename = {SqlIdentifier.Literal(table.Name.Name)} AND s.attname = {SqlIdentifier.Literal(table.PrimaryKey[0])} AND NOT s.inherited
            """, cancellationToken);
        return found.Rows.Count > 0 && found.Text(0, 0) == "t";
    }

    /// <param name="prefix">Of the columns: an alias with a point, or nothing.</param>
    public static string Range(TableDescription table, ChunkRange range, string prefix = "")
    {
        var columns = KeyColumns(table, prefix);
        string[] conditions =
        [
            .. range.After is { } after ? (string[])[$"({columns}) > ({Values(table, after)})"] : [],
            .. range.UpTo is { } upTo ? (string[])[$"({columns}) <= ({Values(table, upTo)})"] : [],
            .. range.Buckets is { } buckets ? (string[])[$"{DigestSql.Bucket(table, prefix)} IN ({string.Join(", ", buckets)})"] : [],
        ];
        return conditions.Length == 0 ? "true" : string.Join(" AND ", conditions);
    }

    public static string Keys(TableDescription table, IReadOnlyList<IReadOnlyList<string>> keys, string prefix = "") =>
        $"({KeyColumns(table, prefix)}) IN ({string.Join(", ", keys.Select(k => $"({Values(table, k)})"))})";

    static string Values(TableDescription table, IReadOnlyList<string> key) =>
        string.Join(", ", table.PrimaryKey.Select((name, i) => $"{SqlIdentifier.Literal(key[i])}::{table.Columns.First(c => c.Name == name).TypeSql}"));
}
