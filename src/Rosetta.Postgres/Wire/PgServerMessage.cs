using System.Text;

namespace Rosetta.Postgres.Wire;

/// <summary>
/// An ErrorResponse or NoticeResponse (PostgreSQL manual, "Error and Notice Message Fields"). <see cref="Detail"/> and <see cref="Where"/> may
/// quote values of rows: do not log them.
/// </summary>
public sealed record PgServerMessage
{
    /// <summary>ERROR, FATAL, PANIC, WARNING, NOTICE, DEBUG, INFO or LOG, never translated.</summary>
    public string Severity { get; init; } = "";

    /// <summary>SQLSTATE, five characters.</summary>
    public string SqlState { get; init; } = "";

    /// <summary>The primary message.</summary>
    public string Text { get; init; } = "";

    public string? Detail { get; init; }

    public string? Hint { get; init; }

    /// <summary>Call stack of the error: for COPY it names table, line and column.</summary>
    public string? Where { get; init; }

    /// <summary>Character position in the statement, from 1; 0 when not given.</summary>
    public int Position { get; init; }

    public string? SchemaName { get; init; }

    public string? TableName { get; init; }

    public string? ColumnName { get; init; }

    public string? DataTypeName { get; init; }

    public string? ConstraintName { get; init; }

    internal static PgServerMessage Parse(ReadOnlySpan<byte> body)
    {
        var message = new PgServerMessage();
        string? localized = null;
        while (body.Length > 0 && body[0] != 0)
        {
            int end = body[1..].IndexOf((byte)0);
            if (end < 0)
                break;
            string value = Encoding.UTF8.GetString(body.Slice(1, end));
            switch (body[0])
            {
                case (byte)'S': localized = value; break;
                case (byte)'V': message = message with { Severity = value }; break;
                case (byte)'C': message = message with { SqlState = value }; break;
                case (byte)'M': message = message with { Text = value }; break;
                case (byte)'D': message = message with { Detail = value }; break;
                case (byte)'H': message = message with { Hint = value }; break;
                case (byte)'W': message = message with { Where = value }; break;
                case (byte)'P': message = message with { Position = int.TryParse(value, out int position) ? position : 0 }; break;
                case (byte)'s': message = message with { SchemaName = value }; break;
                case (byte)'t': message = message with { TableName = value }; break;
                case (byte)'c': message = message with { ColumnName = value }; break;
                case (byte)'d': message = message with { DataTypeName = value }; break;
                case (byte)'n': message = message with { ConstraintName = value }; break;
            }

            body = body[(end + 2)..];
        }

        return message.Severity.Length > 0 ? message : message with { Severity = localized ?? "ERROR" };
    }
}
