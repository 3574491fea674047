using System.Globalization;
using System.Text.Json;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Targets;

/// <summary>Reads tables off the destination's catalog, on the connection that writes, so that it sees that transaction's own DDL.</summary>
static class TargetCatalog
{
    /// <summary>The table; null when there is none.</summary>
    public static async ValueTask<TargetTable?> ReadAsync(PgConnection connection, TableName name, CancellationToken cancellationToken)
    {
        var table = await connection.QueryAsync(TableSql(name), cancellationToken);
        if (table.Rows.Count == 0)
            return null;
        var oid = uint.Parse(table.RequiredText(0, 0), CultureInfo.InvariantCulture);
        var columns = await connection.QueryAsync(ColumnsSql(oid), cancellationToken);
        var list = new List<TargetColumn>(columns.Rows.Count);
        for (var i = 0; i < columns.Rows.Count; i++)
            list.Add(new TargetColumn(
                columns.RequiredText(i, 0), uint.Parse(columns.RequiredText(i, 1), CultureInfo.InvariantCulture), (int)columns.Int64(i, 2),
                columns.RequiredText(i, 3), columns.RequiredText(i, 4), columns.Text(i, 5) == "t")
            {
                IsDeterministic = columns.Text(i, 6) != "f",
                BaseTypeSql = columns.Text(i, 7),
            });
        return new TargetTable(
            oid, name, table.RequiredText(0, 1)[0], list, Json<string[]>(table.RequiredText(0, 2)),
            table.Text(0, 3) == "t", table.Text(0, 4) == "t", table.Text(0, 5) == "t", table.Text(0, 6) == "t", Json<uint[]>(table.RequiredText(0, 7)));
    }

    static T Json<T>(string text) => JsonSerializer.Deserialize<T>(text) ?? throw new FormatException("The catalog answered null where a list was asked for.");

    static string TableSql(TableName name) =>
        $"""
        SELECT c.oid, c.relkind,
               (SELECT coalesce(json_agg(a.attname ORDER BY k.n), '[]') FROM pg_catalog.pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, n), pg_catalog.pg_attribute a
                 WHERE i.indrelid = c.oid AND i.indisprimary AND k.n <= i.indnkeyatts AND a.attrelid = c.oid AND a.attnum = k.attnum),
               EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND NOT i.indisprimary AND (i.indisunique OR i.indisexclusion)),
               EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'x') AND k.condeferrable),
               EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A')),
               EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f'),
               (SELECT coalesce(json_agg(DISTINCT k.conrelid::int8), '[]') FROM pg_catalog.pg_constraint k WHERE k.confrelid = c.oid AND k.contype = 'f' AND k.conrelid <> c.oid)
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = {SqlIdentifier.Literal(name.Schema)} AND c.relname = {SqlIdentifier.Literal(name.Name)} AND c.relkind NOT IN ('i', 'I', 'S', 't', 'c')
        """;

    // -1 as modifier: a cast to char(n) or varchar(n) would cut silently, and plain "character" means char(1).
    static string ColumnsSql(uint oid) =>
        $"""
        SELECT a.attname, a.atttypid, a.atttypmod, pg_catalog.format_type(a.atttypid, -1), pg_catalog.format_type(a.atttypid, a.atttypmod), a.attgenerated <> '', o.collisdeterministic,
               (WITH RECURSIVE below (type, modifier) AS (
                    SELECT t.typbasetype, t.typtypmod FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid AND t.typtype = 'd'
                    UNION ALL SELECT t.typbasetype, t.typtypmod FROM below b JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype = 'd')
                SELECT pg_catalog.format_type(b.type, b.modifier) FROM below b JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype <> 'd')
          FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_collation o ON o.oid = a.attcollation WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
        """;
}
