using Rosetta.Core.DeadLetters;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Destination.Parking;

/// <summary>Entries that have to be applied together: those of one key, and of keys that an update has joined. Pure.</summary>
static class ParkedGroups
{
    /// <param name="entries">In the order of their positions; with a key, or all without.</param>
    public static IReadOnlyList<ParkedGroup> Of(TableName table, IReadOnlyList<(Position At, string? Key, string? MovedTo)> entries)
    {
        if (entries.Any(e => e.Key is null))
            return [new ParkedGroup(table, [.. entries.Select(e => e.At)], true)];
        var parents = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (_, key, movedTo) in entries)
        {
            var root = Root(parents, key!);
            if (movedTo is not null)
                parents[Root(parents, movedTo)] = root;
        }

        return [.. entries.GroupBy(e => Root(parents, e.Key!)).Select(g => new ParkedGroup(table, [.. g.Select(e => e.At)], false))];
    }

    static string Root(Dictionary<string, string> parents, string key)
    {
        if (!parents.TryGetValue(key, out var parent))
            return parents[key] = key;
        while (parent != key)
        {
            // Halves the way for whoever comes next.
            var next = parents[parent];
            parents[key] = next;
            (key, parent) = (parent, next);
        }

        return key;
    }
}
