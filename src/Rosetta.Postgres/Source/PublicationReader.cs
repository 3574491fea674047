using System.Text.Json;
using Npgsql;
using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Source;

/// <summary>Reads publications from the catalog (pg_publication, pg_publication_rel, since 15 pg_publication_namespace).</summary>
static class PublicationReader
{
    /// <summary>Those of the given names that exist, in the order given.</summary>
    public static async Task<IReadOnlyList<PublicationFact>> ReadAsync(
        NpgsqlConnection connection, IReadOnlyList<string> names, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(Sql(connection.PostgreSqlVersion.Major), connection);
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. names] });
        var found = new List<PublicationFact>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
            found.Add(Parse(reader.GetString(0)));
        return [.. found.OrderBy(p => names.ToList().IndexOf(p.Name))];
    }

    static string Sql(int version)
    {
        // Row filters, column lists and schema publications came with 15.
        var details = version >= 15
            ? "'filter', pg_get_expr(own.prqual, own.prrelid), 'columns', (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a "
                + "WHERE a.attrelid = own.prrelid AND a.attnum = ANY (own.prattrs::smallint[])), "
                + "'filter_columns', (SELECT json_agg(DISTINCT a.attname) FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid "
                + "WHERE own.prqual IS NOT NULL AND own.prattrs IS NULL AND d.classid = 'pg_publication_rel'::regclass AND d.objid = own.oid "
                + "AND d.refclassid = 'pg_class'::regclass AND d.refobjid = own.prrelid AND d.refobjsubid > 0)"
            : "'filter', NULL, 'columns', NULL, 'filter_columns', NULL";
        var schemas = version >= 15
            ? "UNION ALL SELECT 'n' || s.oid FROM pg_publication_namespace s JOIN pg_class k ON k.relnamespace = s.pnnspid "
                + "WHERE s.pnpubid = p.oid AND (k.oid = c.oid OR k.oid IN (SELECT relid FROM pg_partition_ancestors(c.oid)))"
            : "";
        return $"""
            SELECT json_build_object(
              'oid', p.oid::bigint, 'name', p.pubname, 'all', p.puballtables, 'insert', p.pubinsert, 'update', p.pubupdate, 'delete', p.pubdelete,
              'truncate', p.pubtruncate, 'via_root', p.pubviaroot, 'comment', obj_description(p.oid, 'pg_publication'),
              'tables', (SELECT json_agg(json_build_object(
                  'schema', n.nspname, 'name', c.relname, 'oid', c.oid::bigint,
                  'memberships', CASE WHEN p.puballtables THEN json_build_array('a' || p.oid) ELSE (SELECT json_agg(DISTINCT x.id ORDER BY x.id) FROM (
                      SELECT 'r' || r.oid AS id FROM pg_publication_rel r
                        WHERE r.prpubid = p.oid AND (r.prrelid = c.oid OR r.prrelid IN (SELECT relid FROM pg_partition_ancestors(c.oid)))
                      {schemas}) x) END,
                  {details}) ORDER BY n.nspname, c.relname)
                FROM pg_get_publication_tables(p.pubname::text) m JOIN pg_class c ON c.oid = m.relid JOIN pg_namespace n ON n.oid = c.relnamespace
                LEFT JOIN pg_publication_rel own ON own.prpubid = p.oid AND own.prrelid = c.oid)
            )::text
            FROM pg_publication p WHERE p.pubname = ANY ($1)
            """;
    }

    static PublicationFact Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        var row = document.RootElement;
        IReadOnlyList<PublishedTable> tables = row.GetProperty("tables") is { ValueKind: JsonValueKind.Array } list
            ? [.. list.EnumerateArray().Select(ParseTable)]
            : [];
        return new PublicationFact(
            row.GetProperty("oid").GetUInt32(), row.GetProperty("name").GetString()!, Flag(row, "all"), Flag(row, "insert"), Flag(row, "update"),
            Flag(row, "delete"), Flag(row, "truncate"), Flag(row, "via_root"), row.GetProperty("comment").GetString(), tables);
    }

    static PublishedTable ParseTable(JsonElement row) => new(
        new TableName(row.GetProperty("schema").GetString()!, row.GetProperty("name").GetString()!),
        row.GetProperty("oid").GetUInt32(),
        Strings(row, "memberships") ?? [],
        row.GetProperty("filter").GetString(),
        Strings(row, "columns"))
    {
        FilterColumns = Strings(row, "filter_columns") ?? [],
    };

    static IReadOnlyList<string>? Strings(JsonElement row, string name) =>
        row.GetProperty(name) is { ValueKind: JsonValueKind.Array } list ? [.. list.EnumerateArray().Select(e => e.GetString()!)] : null;

    static bool Flag(JsonElement row, string name) => row.GetProperty(name).GetBoolean();
}
