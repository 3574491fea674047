using Rosetta.Core.DeadLetters;
using Rosetta.Postgres.Letters;
using Rosetta.Store.DeadLetters;

namespace Rosetta.Api.DeadLetters;

/// <summary>A dead letter that somebody edited or discarded, in answers.</summary>
/// <param name="Action">EDIT or DISCARD.</param>
/// <param name="State">COMPLETED, or PENDING: it is about to be done. Where its node has died meanwhile the next one completes it, or takes the record back.</param>
/// <param name="RecordedAt">Before it was done.</param>
/// <param name="DoneAt">When it was completed; null while it is pending.</param>
/// <param name="RequestedBy">Name of the API key; null without access control.</param>
/// <param name="RecoveryId">Of the order that did it.</param>
/// <param name="Entry">Id that the dead letter has or had.</param>
/// <param name="Operation">INSERT, UPDATE or DELETE; null when its row was lost before.</param>
/// <param name="Key">Its row's key as text; null when it was lost before, or is not kept.</param>
/// <param name="Old">The row before, as in the list of dead letters.</param>
/// <param name="New">The row after, as it came from the source.</param>
/// <param name="Edited">The row after, as somebody made it; null for a discard.</param>
/// <param name="Unchanged">Columns of the row after whose large values are not in the stream.</param>
/// <param name="AsBytes">Columns shown as the bytes that came (\x...); note says why.</param>
/// <param name="Error">What it had met when it was last tried.</param>
/// <param name="Note">Why its rows, or some values, are not shown.</param>
public sealed record AuditAnswer(
    string Id, string Action, string State, DateTimeOffset RecordedAt, DateTimeOffset? DoneAt, string? RequestedBy, string? Reason, string RecoveryId, string Table, string Entry, string? Operation,
    IReadOnlyList<string>? Key, IReadOnlyDictionary<string, string?>? Old, IReadOnlyDictionary<string, string?>? New, IReadOnlyDictionary<string, string?>? Edited,
    IReadOnlyList<string> Unchanged, IReadOnlyList<string> AsBytes, string? Error, string? Sqlstate, string? ErrorClass, string? Note)
{
    /// <param name="was">As it came; null: it cannot be shown.</param>
    /// <param name="edited">As it was made; null: it was not, or cannot be shown.</param>
    internal static AuditAnswer Of(AuditRecord record, ReadableChange? was, ReadableChange? edited, string? note) => new(
        $"{record.Id}", record.IsEdit ? "EDIT" : "DISCARD", record.DoneAt is null ? "PENDING" : "COMPLETED", record.RecordedAt, record.DoneAt, record.RequestedBy, record.Reason,
        $"{record.RunId}", record.Table.ToString(), DeadLetter.IdOf(record.At), record.Kind?.ToString().ToUpperInvariant(), record.Key, was?.Old, was?.New, edited?.New,
        was?.Unchanged ?? [], [.. (was?.AsBytes ?? []).Concat(edited?.AsBytes ?? []).Distinct()], record.Error, record.SqlState, LetterAnswer.NameOf(record.Class), note);
}

/// <summary>Edits and discards of a destination's dead letters, the newest first.</summary>
/// <param name="Next">Take it as after for what follows, which is older; null: there is no more.</param>
public sealed record AuditPageAnswer(IReadOnlyList<AuditAnswer> Items, string? Next);
