using Npgsql;

namespace Rosetta.Testing.Equality;

/// <summary>A table's columns and key as the catalog has them.</summary>
sealed record TableShape(IReadOnlyList<TableShape.Column> Columns, IReadOnlyList<string> Key)
{
    internal sealed record Column(string Name, string Type);

    /// <summary>Null when there is no such table.</summary>
    public static async Task<TableShape?> LoadAsync(
        NpgsqlConnection connection, string schema, string table, CancellationToken cancellationToken)
    {
        // The key is the primary key, else the unique index chosen as replica identity.
        await using var command = new NpgsqlCommand(
            """
            SELECT a.attname, format_type(a.atttypid, NULL), a.attgenerated <> '',
                   (SELECT array_position((i.indkey::int2[])[0:i.indnkeyatts - 1], a.attnum) FROM pg_index i
                    WHERE i.indrelid = c.oid AND (i.indisprimary OR i.indisreplident) AND i.indisvalid
                    ORDER BY i.indisprimary DESC LIMIT 1)
            FROM pg_class c
            JOIN pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
            ORDER BY a.attnum
            """, connection);
        command.Parameters.AddWithValue(schema);
        command.Parameters.AddWithValue(table);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var found = false;
        var columns = new List<Column>();
        var key = new List<(int Position, string Name)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            found = true;
            if (await reader.IsDBNullAsync(0, cancellationToken) || reader.GetBoolean(2))
                continue;
            columns.Add(new Column(reader.GetString(0), reader.GetString(1)));
            if (!await reader.IsDBNullAsync(3, cancellationToken))
                key.Add((reader.GetInt32(3), reader.GetString(0)));
        }
        return found ? new TableShape(columns, [.. key.OrderBy(k => k.Position).Select(k => k.Name)]) : null;
    }

    public Column? Find(string name) => Columns.FirstOrDefault(c => c.Name == name);
}
