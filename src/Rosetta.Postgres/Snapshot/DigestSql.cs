using System.Globalization;
using Rosetta.Core.Chunks;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Snapshot;

/// <summary>
/// Digests of rows, the same at source and destination. A row's hash is that of all its values' binary form at once: no setting has a part in it, and 1.0 is
/// not 1.00. Never the hash of a row's columns one by one: PostgreSQL combines these by adding, so that in a sum of rows two that have exchanged a value
/// look as before.
/// </summary>
sealed class DigestSql
{
    /// <summary>Says of a column how it is hashed, after domains are resolved; NULL where equal bytes may be something else or different ones the same.</summary>
    const string Kind =
        """
        CASE WHEN typtype = 'e' OR oid IN (25, 1043) THEN 'text'
             WHEN oid < 16384 AND typtype IN ('b', 'r', 'm') AND typsend <> 0 THEN pg_catalog.format_type(oid, -1) END
        """;

    // Hashes are not promised to be the same in every version and on every machine: what some known rows come to is part of the form.
    const string Known =
        """
        SELECT pg_catalog.hash_record_extended(ROW(pg_catalog.record_send(ROW(1, 2::int8, 'Größe'::text, 1.50, NULL::text, '\x00ff'::bytea, true, 'NaN'::float8))), 0)::text || ' '
            || pg_catalog.hash_record_extended(ROW(pg_catalog.record_send(ROW(pg_catalog.repeat('x', 1001), '2020-02-02'::date))), 0)::text || ' '
            || pg_catalog.hash_record_extended(ROW(true, '\x00ff'::bytea, 1::int8, 2::int2, 3, 4::oid, 1.5::float4, 2.5::float8, '2020-02-02'::date, '10:20'::time, '2020-02-02 10:20'::timestamp,
                   '2020-02-02 10:20Z'::timestamptz, 10.50, 'c0ffee00-0000-4000-8000-000000000001'::uuid), 0)::text
        """;

    /// <summary>
    /// For the transaction of a digest. The planner takes a bucket for every row for granted, and would sort whole rows in place of keeping a few sums.
    /// </summary>
    public const string Settings = "SET LOCAL work_mem = '64MB'; SET LOCAL enable_sort = off";

    readonly IReadOnlyList<(string Name, string Kind, bool IsCast)> _columns;

    DigestSql(IReadOnlyList<(string Name, string Kind, bool IsCast)> columns, string known)
    {
        _columns = columns;
        Form = $"{string.Join(", ", columns.Select(c => c.Kind))}: {known}";
    }

    /// <summary>Equal at both sides: hashes can be compared.</summary>
    public string Form { get; }

    /// <param name="oid">The table here.</param>
    /// <param name="table">The source's, whose columns are hashed in their order.</param>
    /// <returns>Null: the table's rows cannot be compared so.</returns>
    public static async Task<DigestSql?> DescribeAsync(PgConnection connection, uint oid, ChunkTable table, CancellationToken cancellationToken)
    {
        var columns = table.Columns;
        if (!table.Key.All(k => IsKeyType(table.Table.Columns.First(c => c.Name == k).TypeOid)))
            return null;
        var found = await connection.QueryAsync(
            $"""
            WITH RECURSIVE base AS (
                SELECT a.attname, false AS is_domain, t.oid, t.typtype, t.typbasetype, t.typsend FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
                 WHERE a.attrelid = {oid.ToString(CultureInfo.InvariantCulture)} AND a.attnum > 0 AND NOT a.attisdropped
                UNION ALL
                SELECT b.attname, true, t.oid, t.typtype, t.typbasetype, t.typsend FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.typbasetype WHERE b.typtype = 'd')
            SELECT attname, {Kind}, is_domain FROM base WHERE typtype <> 'd'
            """, cancellationToken);
        var kinds = Enumerable.Range(0, found.Rows.Count).ToDictionary(i => found.RequiredText(i, 0), i => (Kind: found.Text(i, 1), IsDomain: found.Text(i, 2) == "t"));
        if (!columns.All(c => kinds.TryGetValue(c, out var kind) && kind.Kind is not null))
            return null;
        try
        {
            var known = (await connection.QueryAsync(Known, cancellationToken)).RequiredText(0, 0);
            return new DigestSql([.. columns.Select(c => (c, kinds[c].Kind!, kinds[c].IsDomain || kinds[c].Kind == "text"))], known);
        }
        catch (PgServerException e) when (!e.IsFatal)
        {
            // A server that does not know these functions, or an encoding that does not know these letters.
            return null;
        }
    }

    /// <summary>The number of the bucket that a key falls into: the same for keys that are equal, though they may be written differently (1.0 and 1.00).</summary>
    public static string Bucket(TableDescription table, string prefix = "") =>
        $"(pg_catalog.hash_record_extended(ROW({ChunkSql.KeyColumns(table, prefix)}), 0) & {RangeDigest.BucketCount - 1})";

    /// <summary>Rows by bucket.</summary>
    /// <param name="from">The table, under the alias <c>t</c>.</param>
    public string Read(TableDescription table, string from, string where) =>
        $"""
        SELECT {Bucket(table, "t.")} AS rosetta_bucket, count(*), sum(pg_catalog.hash_record_extended(ROW(pg_catalog.record_send(ROW({string.Join(", ", _columns.Select(Value))}))), 0))
          FROM {from} t WHERE {where} GROUP BY 1
        """;

    /// <summary>All rows at once, whatever their order.</summary>
    /// <inheritdoc cref="Read"/>
    public string ReadWhole(string from, string where) =>
        $"SELECT count(*), coalesce(sum(pg_catalog.hash_record_extended(ROW(pg_catalog.record_send(ROW({string.Join(", ", _columns.Select(Value))}))), 0)), 0) FROM {from} t WHERE {where}";

    public static BucketDigest ParseWhole(PgResult result) => new(result.Int64(0, 0), result.RequiredText(0, 1));

    public static RangeDigest Parse(PgResult result) => new(Enumerable.Range(0, result.Rows.Count)
        .ToDictionary(i => (int)result.Int64(i, 0), i => new BucketDigest(result.Int64(i, 1), result.RequiredText(i, 2))));

    // Ordered alike on both sides, and hashed by their value.
    static bool IsKeyType(uint type) => type is 16 or 17 or 20 or 21 or 23 or 26 or 700 or 701 or 1082 or 1083 or 1114 or 1184 or 1700 or 2950;

    // A row's binary form holds the types' numbers, which are not the same everywhere for types that users made.
    static string Value((string Name, string Kind, bool IsCast) column) =>
        column.IsCast ? $"t.{SqlIdentifier.Quote(column.Name)}::{column.Kind}" : $"t.{SqlIdentifier.Quote(column.Name)}";
}
