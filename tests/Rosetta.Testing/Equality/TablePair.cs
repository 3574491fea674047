using Npgsql;
using Rosetta.Testing.Servers;

namespace Rosetta.Testing.Equality;

/// <summary>A table at the source and the one at the destination that is to hold the same rows.</summary>
public sealed record TablePair(string SourceSchema, string SourceTable, string TargetSchema, string TargetTable)
{
    /// <summary>The columns to compare; null: every column of the source that is not generated, under the same name.</summary>
    public IReadOnlyList<ColumnPair>? Columns { get; init; }

    /// <summary>The same name on both sides.</summary>
    public static TablePair Same(string schema, string table) => new(schema, table, schema, table);

    /// <summary>Every ordinary and partitioned table of the given schemas (none given: all but the system's).</summary>
    public static async Task<IReadOnlyList<TablePair>> AllAsync(
        string connectionString, IReadOnlyCollection<string>? schemas = null, CancellationToken cancellationToken = default)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(
            """
            SELECT n.nspname, c.relname
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
              AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
              AND ($1 IS NULL OR n.nspname = ANY ($1))
            ORDER BY 1, 2
            """, connection);
        command.Parameters.Add(new NpgsqlParameter
        {
            Value = schemas is null ? DBNull.Value : schemas.ToArray(),
            NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Array | NpgsqlTypes.NpgsqlDbType.Text
        });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var pairs = new List<TablePair>();
        while (await reader.ReadAsync(cancellationToken))
            pairs.Add(Same(reader.GetString(0), reader.GetString(1)));
        return pairs;
    }

    public override string ToString()
    {
        var source = SqlName.Readable(SourceSchema, SourceTable);
        var target = SqlName.Readable(TargetSchema, TargetTable);
        return source == target ? source : $"{source} -> {target}";
    }
}

/// <summary>A column at the source and its name at the destination.</summary>
public sealed record ColumnPair(string Source, string Target);
