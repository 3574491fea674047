using Npgsql;
using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Catalog;

/// <summary>Reads indexes, constraints and comments of a table. The search path has to be pg_catalog, so that names come with their schemas.</summary>
static class ExtrasSql
{
    // pg_get_indexdef begins with what the first concatenation says; the rest does not name the table.
    public static string Of(TableName table) =>
        $"""
        WITH t AS (
          SELECT c.oid, c.relreplident, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = {SqlIdentifier.Literal(table.Schema)} AND c.relname = {SqlIdentifier.Literal(table.Name)} AND c.relkind IN ('r', 'p'))
        SELECT CASE WHEN k.oid IS NOT NULL THEN 'UniqueConstraint' WHEN i.indisunique THEN 'UniqueIndex' ELSE 'Index' END, coalesce(k.conname, ic.relname),
               substr(pg_get_indexdef(i.indexrelid), 1 + length('CREATE ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || 'INDEX ' || quote_ident(ic.relname) || ' ON '
                 || CASE WHEN ic.relkind = 'I' THEN 'ONLY ' ELSE '' END || t.name || ' ')),
               NULL, NULL, coalesce(k.condeferrable, false)
          FROM t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class ic ON ic.oid = i.indexrelid
          LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = t.oid AND k.contype IN ('p', 'u', 'x')
         WHERE NOT i.indisprimary AND i.indisvalid AND coalesce(k.contype, 'u') = 'u' AND NOT (t.relreplident = 'i' AND i.indisreplident)
        UNION ALL
        SELECT CASE k.contype WHEN 'c' THEN 'Check' WHEN 'x' THEN 'Exclusion' ELSE 'ForeignKey' END, k.conname,
               CASE WHEN k.contype = 'f' THEN replace(pg_get_constraintdef(k.oid), ' REFERENCES ' || quote_ident(rn.nspname) || '.' || quote_ident(rc.relname) || '(', ' REFERENCES {TableExtra.Referenced}(') ELSE pg_get_constraintdef(k.oid) END,
               rn.nspname, rc.relname, k.condeferrable
          FROM t JOIN pg_constraint k ON k.conrelid = t.oid LEFT JOIN pg_class rc ON rc.oid = k.confrelid LEFT JOIN pg_namespace rn ON rn.oid = rc.relnamespace
         WHERE k.contype IN ('c', 'x', 'f') AND k.conparentid = 0
        UNION ALL
        SELECT 'TableComment', '', d.description, NULL, NULL, false FROM t JOIN pg_description d ON d.objoid = t.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
        UNION ALL
        SELECT 'ColumnComment', a.attname, d.description, NULL, NULL, false
          FROM t JOIN pg_description d ON d.objoid = t.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid > 0
          JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.objsubid AND NOT a.attisdropped
         ORDER BY 1, 2
        """;

    public static TableExtra Read(NpgsqlDataReader row) => new(
        Enum.Parse<TableExtraKind>(row.GetString(0)), row.GetString(1), row.GetString(2), row.IsDBNull(3) ? null : new TableName(row.GetString(3), row.GetString(4)), row.GetBoolean(5));
}
