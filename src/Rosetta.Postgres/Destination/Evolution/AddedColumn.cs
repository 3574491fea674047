using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Destination.Evolution;

/// <summary>How a column that appeared at the source is made at the destination, or why it cannot be.</summary>
/// <param name="Statements">In order; empty with a <paramref name="Refusal"/>.</param>
sealed record AddedColumn(IReadOnlyList<string> Statements, string? Refusal)
{
    /// <summary>
    /// Rows that were there before must get what they got at the source. A constant default is stored there once (attmissingval), and here by the
    /// same mechanism; any other default was computed row by row without a message in the stream, which only a new copy can make good.
    /// NOT NULL is not taken over: in the stream rows without a value may still come before it was set.
    /// </summary>
    /// <param name="hasRows">The destination's table has rows.</param>
    public static AddedColumn Plan(TableName target, ColumnDescription column, bool hasRows)
    {
        var alter = $"ALTER TABLE {target.ToSql()}";
        var name = SqlIdentifier.Quote(column.Name);
        if (column.MissingValue is { } missing)
        {
            return new AddedColumn(
                [
                    $"{alter} ADD COLUMN {name} {column.TypeSql} DEFAULT {SqlIdentifier.Literal(missing)}::{column.TypeSql}",
                    column.DefaultSql is { } now ? $"{alter} ALTER COLUMN {name} SET DEFAULT {now}" : $"{alter} ALTER COLUMN {name} DROP DEFAULT",
                ],
                null);
        }

        if (hasRows && (column.HasDefault || column.NotNull))
            return new AddedColumn([], $"Column {column.Name} was added with values that the source computed row by row without telling.");
        return new AddedColumn(
            column.DefaultSql is { } plain
                ? [$"{alter} ADD COLUMN {name} {column.TypeSql} DEFAULT {plain}"]
                : [$"{alter} ADD COLUMN {name} {column.TypeSql}"],
            null);
    }
}
