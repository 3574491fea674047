using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Core.DeadLetters;

/// <summary>
/// A change that could not be applied, or that has to wait behind one, with all that is needed to apply it later. Which changes are parked is decided by the
/// destination (<c>rosetta.parked</c>); this is the payload.
/// </summary>
/// <param name="Table">At the source.</param>
/// <param name="At">Its place in the source's stream: unique in its queue, and the order of recovery.</param>
/// <param name="Xid">Of its transaction at the source.</param>
/// <param name="CommitTime">Of that transaction, microseconds since 2000-01-01 UTC.</param>
/// <param name="Kind">Insert, update or delete.</param>
/// <param name="Key">Its row's key as text, one element for each column of it; of a table without a key empty.</param>
/// <param name="Payload">Shape and tuples, see <see cref="ParkedChange"/>.</param>
/// <param name="Failure">What it met when it was last tried, at first when it was parked; null for a change that waits behind another one of its key and has not been tried.</param>
/// <param name="ParkedAt">To the microsecond, as all times here.</param>
public sealed record DeadLetter(
    TableName Table, Position At, uint Xid, long CommitTime, ChangeKind Kind, IReadOnlyList<string> Key, ReadOnlyMemory<byte> Payload, DeadLetterFailure? Failure, DateTimeOffset ParkedAt)
{
    /// <summary>Tries to apply it since it was parked.</summary>
    public int Tries { get; init; }

    /// <summary>When it was last tried; null: never.</summary>
    public DateTimeOffset? LastTriedAt { get; init; }

    /// <summary>Names it in its queue, for operators.</summary>
    public string Id => IdOf(At);

    /// <summary>The <see cref="Id"/> of an entry at that place.</summary>
    public static string IdOf(Position at) => $"{at.Commit.Value:X}-{at.Ordinal}";

    /// <summary>The position that an <see cref="Id"/> names; null for a text that is none.</summary>
    public static Position? FindPosition(string id)
    {
        var dash = id.IndexOf('-', StringComparison.Ordinal);
        return dash > 0
            && ulong.TryParse(id.AsSpan(0, dash), System.Globalization.NumberStyles.AllowHexSpecifier, System.Globalization.CultureInfo.InvariantCulture, out var commit)
            && long.TryParse(id.AsSpan(dash + 1), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var ordinal)
                ? new Position(new Lsn(commit), ordinal)
                : null;
    }
}

/// <summary>What the destination said of a change.</summary>
/// <param name="Class">By <see cref="Errors.ErrorPolicy"/>.</param>
/// <param name="Error">The server's words, which may quote values of rows: shown, never logged.</param>
/// <param name="SqlState">Five characters; null when it was not the server who refused.</param>
public sealed record DeadLetterFailure(Errors.ErrorClass Class, string Error, string? SqlState);

/// <summary>A try to apply a parked change that failed.</summary>
public sealed record DeadLetterTry(TableName Table, Position At, DeadLetterFailure Failure, DateTimeOffset TriedAt);
