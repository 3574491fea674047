using Rosetta.Core.DeadLetters;

namespace Rosetta.Store.DeadLetters;

/// <summary>An entry's tries of one call, and the last of them. A call that is repeated is known by the last one's time.</summary>
sealed record TriedEntry(DeadLetterTry Last, int Tries)
{
    public static IReadOnlyList<TriedEntry> Of(IReadOnlyList<DeadLetterTry> tries)
    {
        ArgumentNullException.ThrowIfNull(tries);
        return [.. tries.GroupBy(t => (t.Table, t.At)).Select(g => new TriedEntry(g.MaxBy(t => t.TriedAt)!, g.Count()))];
    }
}
