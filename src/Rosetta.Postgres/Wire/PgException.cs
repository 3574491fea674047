using Rosetta.Core.Errors;

namespace Rosetta.Postgres.Wire;

/// <summary>Anything that goes wrong on a PostgreSQL connection of ours: see the two derived types.</summary>
public abstract class PgException(string message, Exception? cause) : Exception(message, cause);

/// <summary>
/// The connection could not be made, was lost, or the other side does not speak the protocol as expected. The connection is of no use any more.
/// Whether a statement that was under way took effect is unknown.
/// </summary>
public sealed class PgConnectionException(string message, Exception? cause = null) : PgException(message, cause);

/// <summary>The server answered a request with an error. The connection stays usable unless <see cref="IsFatal"/>.</summary>
public sealed class PgServerException(PgServerMessage error, Exception? cause = null) : PgException(Describe(error), cause), ISqlStateError
{
    /// <summary>All fields of the server's message.</summary>
    public PgServerMessage Error { get; } = error;

    /// <summary>Five characters, see appendix A of PostgreSQL's manual.</summary>
    public string SqlState => Error.SqlState;

    string? ISqlStateError.SqlState => Error.SqlState;

    /// <inheritdoc/>
    public string Words => Error.Hint is null ? $"{Error.SqlState}: {Error.Text}" : $"{Error.SqlState}: {Error.Text} ({Error.Hint})";

    /// <summary>True if the server closed the connection with this message (FATAL, PANIC).</summary>
    public bool IsFatal => Error.Severity is "FATAL" or "PANIC";

    // The message gets logged, so it holds nothing that may quote values of rows: never detail and context ("Key (id)=(7) already exists"), and the
    // text only where it is known to be about something else.
    static string Describe(PgServerMessage e)
    {
        if (ServerWords.MayBeLogged(e.SqlState, e.Where))
            return e.Hint is null ? $"{e.SqlState}: {e.Text}" : $"{e.SqlState}: {e.Text} ({e.Hint})";
        string[] about =
        [
            .. e.TableName is { } table ? (string[])[$"table {e.SchemaName}.{table}"] : [],
            .. e.ColumnName is { } column ? (string[])[$"column {column}"] : [],
            .. e.ConstraintName is { } constraint ? (string[])[$"constraint {constraint}"] : [],
        ];
        return about.Length > 0 ? $"SQLSTATE {e.SqlState}, {string.Join(", ", about)}" : $"SQLSTATE {e.SqlState}";
    }
}
