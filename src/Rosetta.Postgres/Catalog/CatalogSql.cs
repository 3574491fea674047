using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Catalog;

/// <summary>
/// The queries behind <see cref="SourceCatalog"/>. Each returns one column of JSON text, a row per table or type, so that the same statement
/// serves an ordinary connection and a snapshot worker. The session's search_path has to hold pg_catalog only: format_type and pg_get_expr
/// then qualify every other name.
/// </summary>
static class CatalogSql
{
    /// <summary>Schemas that are never replicated, as a predicate on pg_namespace n.</summary>
    const string UserSchemas = "n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'rosetta')";

    /// <summary>Tables and partitioned tables users made themselves, as a predicate on pg_class c and pg_namespace n.</summary>
    public const string UserTables =
        "c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND " + UserSchemas
        + " AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')";

    /// <summary>pg_index i whose columns identify a row to pgoutput; RelationGetIndexList asks the same of it.</summary>
    const string UsableIndex = "i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL";

    /// <summary>Types that cannot travel in binary, directly or because of something inside them.</summary>
    const string Lacking = """
        lacking AS (
          SELECT oid FROM pg_type WHERE typtype <> 'p' AND (typsend = 0 OR typreceive = 0)
          UNION
          SELECT e.outer_type FROM lacking l JOIN (
            SELECT typelem AS inner_type, oid AS outer_type FROM pg_type WHERE typelem <> 0 AND typlen = -1
            UNION ALL SELECT typbasetype, oid FROM pg_type WHERE typtype = 'd'
            UNION ALL SELECT rngsubtype, rngtypid FROM pg_range
            UNION ALL SELECT rngtypid, rngmultitypid FROM pg_range
            UNION ALL SELECT a.atttypid, c.reltype FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
              WHERE c.relkind IN ('c', 'r', 'p') AND c.oid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
          ) e ON e.inner_type = l.oid
        )
        """;

    /// <summary>Objects that another database does not have: sequences, users' functions and operators.</summary>
    const string NotPortable =
        "p.deptype = 'n' AND p.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_operator'::regclass) AND p.refobjid >= 16384";

    /// <param name="where">Predicate on pg_class c and pg_namespace n.</param>
    /// <param name="publicationPattern">Regular expression for the publications that make a table count as published, null for none.</param>
    public static string Tables(string where, string? publicationPattern) => $"""
        WITH RECURSIVE {Lacking},
        locked AS MATERIALIZED (
          SELECT DISTINCT relation FROM pg_locks WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock' AND relation IS NOT NULL
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
        ),
        published AS MATERIALIZED ({Published(publicationPattern)})
        SELECT json_build_object(
          'version', current_setting('server_version_num')::int,
          'oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind, 'partition', c.relispartition,
          'unlogged', c.relpersistence = 'u', 'owner', r.rolname, 'owner_super', r.rolsuper, 'is_owner', pg_has_role(c.relowner, 'USAGE'),
          'schema_usage', has_schema_privilege(n.oid, 'USAGE'),
          'can_select', has_table_privilege(c.oid, 'SELECT') OR NOT EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
              AND NOT has_column_privilege(c.oid, a.attnum, 'SELECT')),
          'row_security', row_security_active(c.oid),
          'locked', locked.relation IS NOT NULL,
          'published', c.oid IN (SELECT relid FROM published),
          'identity', c.relreplident, 'rows', c.reltuples::bigint,
          'bytes', CASE WHEN locked.relation IS NULL THEN pg_table_size(c.oid)
            ELSE c.relpages::bigint * current_setting('block_size')::bigint END,
          'primary_key', (SELECT json_agg(a.attname ORDER BY k.place) FROM pg_index i
            CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY k(number, place)
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
            WHERE i.indrelid = c.oid AND i.indisprimary AND k.place <= i.indnkeyatts),
          'identity_key', (SELECT json_agg(a.attname ORDER BY k.place) FROM pg_index i
            CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY k(number, place)
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
            WHERE i.indrelid = c.oid AND k.place <= i.indnkeyatts AND {UsableIndex}
              AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END),
          'candidate', (SELECT min(x.relname) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
            WHERE i.indrelid = c.oid AND {UsableIndex} AND NOT EXISTS (
              SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey::smallint[]) AND (NOT a.attnotnull OR a.attgenerated <> ''))),
          'columns', (SELECT json_agg(json_build_object(
              'name', a.attname, 'type', a.atttypid::bigint, 'modifier', a.atttypmod, 'sql', format_type(a.atttypid, a.atttypmod),
              'not_null', a.attnotnull, 'generated', a.attgenerated, 'has_default', d.oid IS NOT NULL AND a.attgenerated = '',
              'expression', CASE WHEN locked.relation IS NULL AND (a.attgenerated <> '' OR NOT EXISTS (
                  SELECT FROM pg_depend p WHERE p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND {NotPortable}))
                THEN pg_get_expr(d.adbin, d.adrelid) END,
              'missing', (a.attmissingval::text::text[])[1],
              'nondeterministic', EXISTS (SELECT FROM pg_collation o WHERE o.oid = a.attcollation AND NOT o.collisdeterministic),
              'sends', t.typsend <> 0, 'binary', a.atttypid NOT IN (SELECT oid FROM lacking)) ORDER BY a.attnum)
            FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
        )::text
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
        LEFT JOIN locked ON locked.relation = c.oid
        WHERE {where}
        ORDER BY n.nspname, c.relname
        """;

    /// <summary>The types outside pg_catalog that the columns of the chosen tables need, with array types between them.</summary>
    public static string Types(string where) => $"""
        WITH RECURSIVE edges AS (
          SELECT oid AS outer_type, typelem AS inner_type FROM pg_type WHERE typelem <> 0 AND typlen = -1
          UNION ALL SELECT oid, typbasetype FROM pg_type WHERE typtype = 'd'
          UNION ALL SELECT rngtypid, rngsubtype FROM pg_range
          UNION ALL SELECT rngmultitypid, rngtypid FROM pg_range
          UNION ALL SELECT c.reltype, a.atttypid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
            WHERE c.relkind = 'c' AND a.attnum > 0 AND NOT a.attisdropped
        ),
        needed AS (
          SELECT a.atttypid AS oid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE a.attnum > 0 AND NOT a.attisdropped AND ({where})
          UNION
          SELECT e.inner_type FROM needed JOIN edges e ON e.outer_type = needed.oid
        )
        SELECT json_build_object(
          'oid', t.oid::bigint, 'schema', n.nspname, 'name', t.typname, 'kind', t.typtype,
          'needs', (SELECT json_agg(e.inner_type::bigint ORDER BY e.inner_type) FROM edges e WHERE e.outer_type = t.oid),
          'array', t.typelem <> 0 AND t.typlen = -1,
          'labels', (SELECT json_agg(l.enumlabel ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = t.oid),
          'base', CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
          'not_null', t.typnotnull,
          'collation', CASE WHEN t.typcollation NOT IN (0, (SELECT typcollation FROM pg_type b WHERE b.oid = t.typbasetype))
            THEN (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname) FROM pg_collation co
              JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = t.typcollation) END,
          'checks', (SELECT json_agg('CONSTRAINT ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid) ORDER BY k.conname)
            FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c' AND k.convalidated AND NOT EXISTS (
              SELECT FROM pg_depend p WHERE p.classid = 'pg_constraint'::regclass AND p.objid = k.oid AND {NotPortable})),
          'composite', t.typtype = 'c' AND EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'),
          'attributes', (SELECT json_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum)
            FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
            WHERE c.oid = t.typrelid AND c.relkind = 'c' AND a.attnum > 0 AND NOT a.attisdropped),
          'subtype', (SELECT format_type(g.rngsubtype, NULL) FROM pg_range g WHERE g.rngtypid = t.oid),
          'multirange', (SELECT quote_ident(mn.nspname) || '.' || quote_ident(m.typname) FROM pg_range g
            JOIN pg_type m ON m.oid = g.rngmultitypid JOIN pg_namespace mn ON mn.oid = m.typnamespace WHERE g.rngtypid = t.oid),
          'extension', (SELECT x.extname FROM pg_depend p JOIN pg_extension x ON x.oid = p.refobjid
            WHERE p.classid = 'pg_type'::regclass AND p.objid = t.oid AND p.deptype = 'e' AND p.refclassid = 'pg_extension'::regclass),
          'extension_oid', (SELECT p.refobjid::bigint FROM pg_depend p
            WHERE p.classid = 'pg_type'::regclass AND p.objid = t.oid AND p.deptype = 'e' AND p.refclassid = 'pg_extension'::regclass),
          'extension_schema', (SELECT xn.nspname FROM pg_depend p JOIN pg_extension x ON x.oid = p.refobjid JOIN pg_namespace xn ON xn.oid = x.extnamespace
            WHERE p.classid = 'pg_type'::regclass AND p.objid = t.oid AND p.deptype = 'e' AND p.refclassid = 'pg_extension'::regclass)
        )::text
        FROM needed JOIN pg_type t ON t.oid = needed.oid JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE t.oid >= 16384 AND n.nspname <> 'information_schema'
        ORDER BY t.oid
        """;

    /// <summary>Predicate for some tables.</summary>
    public static string Only(IEnumerable<TableName> tables) =>
        $"c.relkind IN ('r', 'p') AND (n.nspname, c.relname) IN ({string.Join(", ", tables.Select(t => $"({SqlIdentifier.Literal(t.Schema)}, {SqlIdentifier.Literal(t.Name)})"))})";

    /// <summary>Predicate for one table.</summary>
    public static string Only(TableName table) =>
        $"c.relkind IN ('r', 'p') AND n.nspname = {SqlIdentifier.Literal(table.Schema)} AND c.relname = {SqlIdentifier.Literal(table.Name)}";

    static string Published(string? pattern) => pattern is null
        ? "SELECT 0::oid AS relid WHERE false"
        : $"""
            SELECT DISTINCT m.relid FROM pg_publication p CROSS JOIN LATERAL pg_get_publication_tables(p.pubname::text) m
              WHERE p.pubname ~ {SqlIdentifier.Literal(pattern)}
            """;
}
