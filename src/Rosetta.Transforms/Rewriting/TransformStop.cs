using Rosetta.Core.Positions;

namespace Rosetta.Transforms.Rewriting;

/// <summary>A table's changes cannot go on: what happened, at which change, and what to do first.</summary>
sealed class TransformStopException(string reason, string remedy, Position at, string? key, Exception? cause = null) : Exception(reason, cause)
{
    public string Remedy { get; } = remedy;

    public Position At { get; } = at;

    /// <summary>The row's key, column by column, for the operator.</summary>
    public string? Key { get; } = key;
}
