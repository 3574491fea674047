using Rosetta.Core.Positions;

namespace Rosetta.Core.DeadLetters;

/// <summary>Entries by the id that operators know them by.</summary>
public static class DeadLetterLookup
{
    /// <summary>Null: there is none. The id does not name the table.</summary>
    public static async Task<DeadLetter?> FindAsync(this IDeadLetterStore store, DeadLetterQueue queue, string entry, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(store);
        if (DeadLetter.FindPosition(entry) is not { } at)
            return null;
        // The one place before it.
        Position? before = at.Ordinal > 0 ? at with { Ordinal = at.Ordinal - 1 } : at.Commit.Value > 0 ? new Position(new Lsn(at.Commit.Value - 1), long.MaxValue) : null;
        var found = await store.ReadAsync(queue, null, before, 1, cancellationToken).ConfigureAwait(false);
        return found is [var letter] && letter.At == at ? letter : null;
    }
}
