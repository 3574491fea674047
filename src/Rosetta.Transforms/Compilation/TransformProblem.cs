namespace Rosetta.Transforms.Compilation;

/// <summary>Why a transform cannot be used, and what to do.</summary>
/// <param name="Field">columns, filter_sql or custom_sql.</param>
public sealed record TransformProblem(string Field, string Message);

/// <summary>A part of the SQL is not allowed or means nothing. The message says what to do.</summary>
sealed class RefusedException(string message) : Exception(message);
