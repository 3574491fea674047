namespace Rosetta.Client.Answers;

/// <summary>A list answer.</summary>
/// <param name="Total">How many there are, whatever the limit; null where a list is not paged.</param>
public sealed record Page<T>(IReadOnlyList<T> Items, int? Total);
