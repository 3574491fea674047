namespace Rosetta.Client.Answers;

/// <summary>A dead letter that somebody edited or discarded.</summary>
/// <param name="Action">EDIT or DISCARD.</param>
/// <param name="State">COMPLETED or PENDING.</param>
/// <param name="Entry">Id that the dead letter has or had.</param>
/// <param name="Operation">Null when its row was lost before.</param>
/// <param name="New">The row as it came from the source.</param>
/// <param name="Edited">The row as somebody made it; null for a discard.</param>
public sealed record DeadLetterAuditRecord(
    string Id, string Action, string State, DateTimeOffset RecordedAt, DateTimeOffset? DoneAt, string? RequestedBy, string? Reason, string RecoveryId, string Table, string Entry,
    string? Operation, IReadOnlyList<string>? Key, IReadOnlyDictionary<string, string?>? Old, IReadOnlyDictionary<string, string?>? New, IReadOnlyDictionary<string, string?>? Edited,
    IReadOnlyList<string>? Unchanged, IReadOnlyList<string>? AsBytes, string? Error, string? Sqlstate, string? ErrorClass, string? Note);

/// <summary>A page of the audit, the newest first.</summary>
/// <param name="Next">For what follows, which is older; null: there is no more.</param>
public sealed record DeadLetterAudit(IReadOnlyList<DeadLetterAuditRecord> Items, string? Next);
