namespace Rosetta.Client.Answers;

/// <summary>What a transform makes of rows of the source.</summary>
/// <param name="Rows">A text per column, null for NULL.</param>
/// <param name="Kept">How many of the rows read pass the filter.</param>
public sealed record TransformPreview(
    IReadOnlyList<TransformColumn> Columns, IReadOnlyList<IReadOnlyList<string?>> Rows, long Kept, long Read, IReadOnlyList<string>? Warnings = null);

/// <param name="Computed">False: the source's bytes, untouched.</param>
public sealed record TransformColumn(string Name, string Type, bool Computed);
