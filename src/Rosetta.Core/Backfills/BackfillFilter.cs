namespace Rosetta.Core.Backfills;

/// <summary>One condition on a column. Nothing of it is SQL: the column is looked up in the catalog, the values become quoted literals.</summary>
/// <param name="Column">As it was written.</param>
/// <param name="FoldsCase">Written without quotes in a string: <c>Status</c> means column <c>status</c> when there is no column <c>Status</c>.</param>
/// <param name="Operator">In SQL's spelling: one of <see cref="Operators"/>.</param>
/// <param name="Values">As many as the operator takes.</param>
public sealed record BackfillFilter(string Column, bool FoldsCase, string Operator, IReadOnlyList<string> Values)
{
    /// <summary>How many of them a job may have.</summary>
    public const int Most = 5;

    /// <summary>How many values a list may have.</summary>
    public const int MostValues = 1_000;

    public static IReadOnlyList<string> Operators { get; } =
        ["=", "!=", "<>", ">", ">=", "<", "<=", "LIKE", "ILIKE", "IN", "NOT IN", "BETWEEN", "IS NULL", "IS NOT NULL"];

    /// <summary>SQL's spelling of an operator, however it is written; null when it is none of ours.</summary>
    internal static string? OperatorOf(string text)
    {
        var spelled = string.Join(' ', text.Split((char[])[' ', '\t', '\r', '\n'], StringSplitOptions.RemoveEmptyEntries)).ToUpperInvariant();
        return Operators.FirstOrDefault(o => o == spelled);
    }
}

/// <summary>A filter that cannot be taken; the message says what is wrong, for the one who wrote it.</summary>
public sealed class BackfillFilterException(string message) : Exception(message);
