namespace Rosetta.Client.Answers;

/// <summary>A change that its destination has not applied.</summary>
/// <param name="Unchanged">Columns of the new row that the stream did not carry: their large values did not change.</param>
/// <param name="AsBytes">Columns shown as bytes; the note says why.</param>
/// <param name="State">FAILED, WAITING or EXHAUSTED.</param>
public sealed record DeadLetter(
    string Id, string Table, string Operation, IReadOnlyList<string> Key, IReadOnlyDictionary<string, string?>? Old, IReadOnlyDictionary<string, string?>? New,
    IReadOnlyList<string>? Unchanged, IReadOnlyList<string>? AsBytes, string? Error, string? Sqlstate, string? ErrorClass, DateTimeOffset FirstFailedAt, int RetryCount,
    DateTimeOffset? LastTriedAt, string State, string? CommitLsn, long Xid, DateTimeOffset? CommittedAt, long Bytes, string? Note);

/// <summary>A page of dead letters.</summary>
/// <param name="Next">For what follows; null: there is no more.</param>
public sealed record DeadLetters(IReadOnlyList<DeadLetter> Items, string? Next);

/// <summary>A dead letter beside the row that its destination has.</summary>
public sealed record DeadLetterDetail(DeadLetter Entry, string Remedy, IReadOnlyDictionary<string, string?>? Current, string? CurrentProblem);

public sealed record DeadLetterCount(long Count, IReadOnlyDictionary<string, long> Tables);

public sealed record DeadLetterSummary(IReadOnlyList<DeadLetterGroup> Items);

/// <summary>Dead letters of a table that met the same.</summary>
/// <param name="ErrorClass">Null: they wait behind others.</param>
public sealed record DeadLetterGroup(
    string Table, string? ErrorClass, string? Sqlstate, long Count, long Bytes, DateTimeOffset FirstAt, DateTimeOffset LastAt, string? Example, string Remedy);
