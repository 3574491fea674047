namespace Rosetta.Client.Requests;

/// <summary>Body of <c>POST recover-dlq</c>.</summary>
public sealed record StartRecovery(string? Table = null, string? ErrorClass = null);

/// <summary>Body of <c>POST dlq/{entry_id}/retry</c>.</summary>
/// <param name="New">Other values for the new row, as text; null is NULL.</param>
public sealed record RetryLetter(IReadOnlyDictionary<string, string?>? New = null, bool? DryRun = null);

/// <summary>Body of <c>POST dlq/{entry_id}/discard</c> and of <c>POST dlq/discard</c>.</summary>
public sealed record DiscardLetters(string Reason, string? Table = null, string? ErrorClass = null);
