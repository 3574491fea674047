using System.Globalization;
using System.Text;

namespace Rosetta.Postgres.Wire;

/// <summary>A column of a result.</summary>
/// <param name="TypeOid">OID of the type in pg_type.</param>
/// <param name="IsBinary">True if the values come in the type's binary form, false for text.</param>
public sealed record PgColumn(string Name, uint TypeOid, bool IsBinary);

/// <summary>
/// The outcome of one statement. It is made for statements that control something and return little: every value is an array of its own.
/// Rows in bulk come through <see cref="PgCopyOut"/>.
/// </summary>
public sealed class PgResult
{
    internal static readonly PgResult Empty = new("", 0, null, [], [], false);
    static readonly PgResult InsertOne = new("INSERT", 1, null, [], [], false);
    static readonly PgResult UpdateOne = new("UPDATE", 1, null, [], [], false);
    static readonly PgResult DeleteOne = new("DELETE", 1, null, [], [], false);

    PgResult(
        string command, long rowCount, PgServerException? error, IReadOnlyList<PgColumn> columns, IReadOnlyList<byte[]?[]> rows, bool isSkipped)
    {
        Command = command;
        RowCount = rowCount;
        Error = error;
        Columns = columns;
        Rows = rows;
        IsSkipped = isSkipped;
    }

    /// <summary>The command tag without its numbers: INSERT, COPY, BEGIN, ROLLBACK. A COMMIT in a failed transaction answers ROLLBACK.</summary>
    public string Command { get; }

    /// <summary>The command tag's number of rows, 0 where it has none.</summary>
    public long RowCount { get; }

    /// <summary>Why the statement failed; null if it succeeded.</summary>
    public PgServerException? Error { get; }

    /// <summary>True if the server did not even try, because of an earlier failure in the same group (which <see cref="Error"/> then is).</summary>
    public bool IsSkipped { get; }

    public IReadOnlyList<PgColumn> Columns { get; }

    /// <summary>The rows; a null value is SQL's NULL.</summary>
    public IReadOnlyList<byte[]?[]> Rows { get; }

    /// <summary>A value as text (meaningful for a column that is not binary); null for NULL.</summary>
    public string? Text(int row, int column) => Rows[row][column] is byte[] value ? Encoding.UTF8.GetString(value) : null;

    /// <summary>A value that must be there, as text.</summary>
    /// <exception cref="InvalidOperationException">It is NULL.</exception>
    public string RequiredText(int row, int column) =>
        Text(row, column) ?? throw new InvalidOperationException($"Column {column} of the result of {Command} is NULL.");

    /// <summary>A whole number in text form.</summary>
    public long Int64(int row, int column) => long.Parse(RequiredText(row, column), CultureInfo.InvariantCulture);

    /// <summary>Returns this result, or throws its error.</summary>
    /// <exception cref="PgServerException">The statement failed.</exception>
    public PgResult ThrowIfFailed() => Error is null ? this : throw new PgServerException(Error.Error, Error);

    internal static PgResult Failed(PgServerException error, bool isSkipped = false) => new("", 0, error, [], [], isSkipped);

    internal static PgResult Completed(
        ReadOnlySpan<byte> tag, IReadOnlyList<PgColumn> columns, IReadOnlyList<byte[]?[]> rows)
    {
        tag = tag.TrimEnd((byte)0);
        if (columns.Count == 0 && rows.Count == 0)
        {
            if (tag.SequenceEqual("INSERT 0 1"u8))
                return InsertOne;
            if (tag.SequenceEqual("UPDATE 1"u8))
                return UpdateOne;
            if (tag.SequenceEqual("DELETE 1"u8))
                return DeleteOne;
        }

        // "INSERT 0 5", "COPY 5", "SELECT 5", but "CREATE TABLE" and "START TRANSACTION".
        long rowCount = 0;
        int space = tag.LastIndexOf((byte)' ');
        string text = Encoding.UTF8.GetString(tag);
        if (space > 0 && long.TryParse(tag[(space + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out rowCount))
        {
            text = text[..space];
            if (text.EndsWith(" 0", StringComparison.Ordinal))
                text = text[..^2];
        }

        return new PgResult(text, rowCount, null, columns, rows, false);
    }
}
