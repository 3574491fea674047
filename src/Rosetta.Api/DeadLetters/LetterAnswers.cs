using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Postgres.Letters;

namespace Rosetta.Api.DeadLetters;

/// <summary>A dead letter in answers: a change that its destination has not applied.</summary>
/// <param name="Id">Its place in the source's stream: the commit's LSN and the change's number in that transaction.</param>
/// <param name="Operation">INSERT, UPDATE or DELETE.</param>
/// <param name="Key">Its row's key as text, a value for each column of it; empty for a table without a key.</param>
/// <param name="Old">The row before as far as the stream tells it (with the usual replica identity its key alone, when it changes), column by column as text.</param>
/// <param name="New">The row after.</param>
/// <param name="Unchanged">Columns of the row after whose large values the update did not touch: they are not in the stream and stay as they are.</param>
/// <param name="AsBytes">Columns shown as the bytes that came (\x...), because no server made text of them; note says why.</param>
/// <param name="Error">What the destination said when it was last tried, at first when it was parked; null for a change that waits behind another one.</param>
/// <param name="ErrorClass">TRANSIENT, DATA, TABLE or OPERATOR; null for a change that waits behind another one.</param>
/// <param name="FirstFailedAt">When it was parked.</param>
/// <param name="State">FAILED (it is tried again), WAITING (behind an earlier change of its row or table) or EXHAUSTED (it has had its tries and waits for somebody).</param>
/// <param name="CommittedAt">Of its transaction at the source.</param>
/// <param name="Bytes">Of its payload.</param>
public sealed record LetterAnswer(
    string Id, string Table, string Operation, IReadOnlyList<string> Key, IReadOnlyDictionary<string, string?>? Old, IReadOnlyDictionary<string, string?>? New,
    IReadOnlyList<string> Unchanged, IReadOnlyList<string> AsBytes, string? Error, string? Sqlstate, string? ErrorClass, DateTimeOffset FirstFailedAt, int RetryCount,
    DateTimeOffset? LastTriedAt, string State, Lsn CommitLsn, uint Xid, DateTimeOffset CommittedAt, long Bytes, string? Note)
{
    /// <param name="readable">Null: its payload cannot be read.</param>
    internal static LetterAnswer Of(DeadLetter letter, ReadableChange? readable, string? note, int tries) => new(
        letter.Id, letter.Table.ToString(), letter.Kind.ToString().ToUpperInvariant(), letter.Key, readable?.Old, readable?.New, readable?.Unchanged ?? [], readable?.AsBytes ?? [],
        letter.Failure?.Error, letter.Failure?.SqlState, NameOf(letter.Failure?.Class), letter.ParkedAt, letter.Tries, letter.LastTriedAt,
        letter.Failure is null ? "WAITING" : letter.Tries >= tries ? "EXHAUSTED" : "FAILED", letter.At.Commit, letter.Xid,
        TransactionSpan.Epoch.AddMicroseconds(letter.CommitTime), letter.Payload.Length, note);

    internal static string? NameOf(ErrorClass? errorClass) => errorClass?.ToString().ToUpperInvariant();
}

/// <summary>Dead letters of a destination, the oldest change first.</summary>
/// <param name="Next">Take it as after for what follows; null: there is no more.</param>
public sealed record LettersAnswer(IReadOnlyList<LetterAnswer> Items, string? Next);

/// <summary>A dead letter beside what its destination has.</summary>
/// <param name="Remedy">What to do about its error.</param>
/// <param name="Current">The row with the change's key at the destination now, column by column as text; null: there is none, or current_problem says why it is not known.</param>
public sealed record LetterDetailAnswer(LetterAnswer Entry, string Remedy, IReadOnlyDictionary<string, string?>? Current, string? CurrentProblem);

/// <summary>How many dead letters a destination has.</summary>
/// <param name="Tables">By table; those without any are left out.</param>
public sealed record LetterCountAnswer(long Count, IReadOnlyDictionary<string, long> Tables);

/// <summary>What the dead letters of a destination met.</summary>
public sealed record LetterSummaryAnswer(IReadOnlyList<LetterGroupAnswer> Items);

/// <summary>Dead letters of one table that met the same.</summary>
/// <param name="ErrorClass">Null: changes that wait behind others.</param>
/// <param name="Bytes">Of their payloads.</param>
/// <param name="FirstAt">When the first of them was parked.</param>
/// <param name="LastAt">When the last of them was parked.</param>
/// <param name="Example">One of their errors.</param>
/// <param name="Remedy">What to do.</param>
public sealed record LetterGroupAnswer(
    string Table, string? ErrorClass, string? Sqlstate, long Count, long Bytes, DateTimeOffset FirstAt, DateTimeOffset LastAt, string? Example, string Remedy)
{
    internal static LetterGroupAnswer Of(DeadLetterGroup group) => new(
        group.Table.ToString(), LetterAnswer.NameOf(group.Class), group.SqlState, group.Count, group.Bytes, group.First, group.Last, group.Example,
        DeadLetterRemedy.For(group.Class, group.SqlState));
}
