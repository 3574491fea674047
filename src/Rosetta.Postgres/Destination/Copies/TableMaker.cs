using Rosetta.Core.Errors;
using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>
/// SQL that makes a table like the source's: columns, types, defaults, NOT NULL, generated columns, primary key. Identity columns become plain columns, and defaults that use a sequence are left out: the values come from the source. Foreign
/// keys, checks, other indexes and triggers are not taken over; the source has seen to what they ensure.
/// </summary>
static class TableMaker
{
    /// <summary>The columns the destination gets.</summary>
    public static IReadOnlyList<ColumnDescription> Columns(TableDescription table, IReadOnlyList<string>? wanted) =>
        [.. table.Columns.Where(c => wanted is null || wanted.Contains(c.Name))];

    public static string CreateSql(TableName target, IReadOnlyList<ColumnDescription> columns) =>
        $"CREATE TABLE {target.ToSql()} ({string.Join(", ", columns.Select(Definition))})";

    public static string AddSql(TableName target, ColumnDescription column) => $"ALTER TABLE {target.ToSql()} ADD COLUMN {Definition(column)}";

    /// <summary>
    /// The primary key, or the columns of the index that identifies rows at the source (REPLICA IDENTITY USING INDEX: unique, NOT NULL), as changes find
    /// their rows by it. Null for a table without either, or when not all of the columns are wanted.
    /// </summary>
    public static string? PrimaryKeySql(TableName target, TableDescription table, IReadOnlyList<ColumnDescription> columns)
    {
        var key = table.PrimaryKey.Count > 0 || table.IdentityIsGenerated ? table.PrimaryKey : table.IdentityColumns;
        return key.Count > 0 && key.All(k => columns.Any(c => c.Name == k))
            ? $"ALTER TABLE {target.ToSql()} ADD PRIMARY KEY ({string.Join(", ", key.Select(SqlIdentifier.Quote))})"
            : null;
    }

    /// <summary>An index for a table whose rows are identified by another index than its primary key; null otherwise.</summary>
    public static string? IdentityIndexSql(TableName target, TableDescription table, IReadOnlyList<ColumnDescription> columns) =>
        table is { ReplicaIdentity: 'i', IdentityIsGenerated: false, PrimaryKey.Count: > 0, IdentityColumns.Count: > 0 }
        && !table.PrimaryKey.All(table.IdentityColumns.Contains) && table.IdentityColumns.All(k => columns.Any(c => c.Name == k))
            ? $"CREATE UNIQUE INDEX ON {target.ToSql()} ({string.Join(", ", table.IdentityColumns.Select(SqlIdentifier.Quote))})"
            : null;

    static string Definition(ColumnDescription column)
    {
        var sql = $"{SqlIdentifier.Quote(column.Name)} {column.TypeSql}";
        if (column.Generated is { } expression)
        {
            return expression.Length > 0
                ? $"{sql} GENERATED ALWAYS AS ({expression}) STORED"
                : throw new FaultException(new Fault(
                    ErrorClass.Transient, $"The expression of the generated column {column.Name} cannot be read at the moment: the source's table is locked exclusively.", null));
        }

        if (column.DefaultSql is { } value)
            sql += $" DEFAULT {value}";
        return column.NotNull ? $"{sql} NOT NULL" : sql;
    }
}
