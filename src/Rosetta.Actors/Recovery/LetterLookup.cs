using Rosetta.Core.DeadLetters;
using Rosetta.Core.Positions;

namespace Rosetta.Actors.Recovery;

/// <summary>Entries by the id that operators know them by.</summary>
static class LetterLookup
{
    /// <summary>Null: there is none.</summary>
    public static async Task<DeadLetter?> FindAsync(this LaneLetters letters, string entry, CancellationToken cancellationToken)
    {
        if (DeadLetter.FindPosition(entry) is not { } at)
            return null;
        Position? before = at.Ordinal > 0 ? at with { Ordinal = at.Ordinal - 1 } : at.Commit.Value > 0 ? new Position(new Lsn(at.Commit.Value - 1), long.MaxValue) : null;
        var found = await letters.Store.ReadAsync(letters.Queue, null, before, 1, cancellationToken).ConfigureAwait(false);
        return found.Count > 0 && found[0].At == at ? found[0] : null;
    }
}
