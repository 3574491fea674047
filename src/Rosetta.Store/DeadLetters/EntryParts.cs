using Rosetta.Core.DeadLetters;

namespace Rosetta.Store.DeadLetters;

/// <summary>Entries in parts of a bounded number and size, so that neither we nor the server must hold too much at once.</summary>
static class EntryParts
{
    /// <param name="bytes">Of payloads; a part has at least one entry, however large.</param>
    public static IEnumerable<IReadOnlyList<DeadLetter>> Of(IReadOnlyList<DeadLetter> entries, int count, int bytes)
    {
        var part = new List<DeadLetter>();
        long size = 0;
        foreach (var entry in entries)
        {
            if (part.Count > 0 && (part.Count == count || size + entry.Payload.Length > bytes))
            {
                yield return part;
                (part, size) = ([], 0);
            }

            part.Add(entry);
            size += entry.Payload.Length;
        }

        if (part.Count > 0) yield return part;
    }
}
