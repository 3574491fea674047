namespace Rosetta.Transforms.Evaluation;

/// <summary>An expression failed on a row: the message says why, and may quote a value of the row.</summary>
/// <param name="row">Which row of the set; -1 when it is not one row's fault (time).</param>
public sealed class EvaluationException(string message, int row, Exception? cause = null) : Exception(message, cause)
{
    public int Row { get; } = row;
}
