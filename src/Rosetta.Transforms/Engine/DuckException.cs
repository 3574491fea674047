namespace Rosetta.Transforms.Engine;

/// <summary>DuckDB refused or failed. The message is DuckDB's, without the excerpt of the statement; it may quote values of rows.</summary>
public sealed class DuckException : Exception
{
    public DuckException(string message, bool isInterrupted = false)
        : base(Clean(message)) => IsInterrupted = isInterrupted;

    /// <summary>The time limit ended it.</summary>
    public bool IsInterrupted { get; }

    // "Binder Error: ... \n\nLINE 1: SELECT ...": the statement is ours, not the user's.
    static string Clean(string message)
    {
        var end = message.IndexOf("\nLINE ", StringComparison.Ordinal);
        return (end < 0 ? message : message[..end]).Trim();
    }
}
