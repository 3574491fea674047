using Rosetta.Core.Changes;
using Rosetta.Postgres.Destination.Targets;

namespace Rosetta.Postgres.Destination.Plans;

/// <summary>How a table's changes are applied.</summary>
enum ApplyMode : byte
{
    /// <summary>Folded per key, set-based.</summary>
    Fold,

    /// <summary>
    /// Folded per key, but touched rows are deleted and inserted anew: with a second unique constraint an UPDATE of many rows may collide on the
    /// way to a state that is valid. Taken once a table has shown that it does; most never move such values between rows.
    /// </summary>
    FoldReplace,

    /// <summary>Change by change in source order.</summary>
    Exact,
}

/// <summary>The decision how a table is applied, from what its catalog and the session's privileges say.</summary>
static class ApplyModes
{
    /// <param name="hasKey">The table has a key by which its rows are found.</param>
    /// <param name="keyIsPrimary">That key is the destination's primary key.</param>
    /// <param name="replicaRole">The session runs with session_replication_role = replica.</param>
    public static ApplyMode Choose(TargetTable target, bool hasKey, bool keyIsPrimary, bool replicaRole)
    {
        // Rows that are only inserted go by COPY in every mode; what makes a difference are updates and deletes.
        if (!hasKey || !keyIsPrimary)
            return ApplyMode.Exact;
        return !replicaRole && (target.HasUserTriggers || target.HasForeignKeys || target.ReferencedBy.Count > 0) ? ApplyMode.Exact : ApplyMode.Fold;
    }

    /// <summary>
    /// The columns by which the source's old tuples and the destination's rows meet (positions in the relation, ascending). Under REPLICA IDENTITY
    /// FULL the whole row is known and the destination's primary key serves; otherwise it serves when the source sends an old value whenever it
    /// changes, that is, when it lies within the replica identity; else the replica identity's own columns.
    /// </summary>
    public static (int[] Key, bool IsPrimary) KeyOf(Relation relation, TargetTable target)
    {
        var primary = PositionsOf(relation, target.PrimaryKey);
        if (relation.Identity == ReplicaIdentity.Full)
            return (primary ?? [], primary is not null);
        var identity = Enumerable.Range(0, relation.Columns.Count).Where(i => relation.Columns[i].IsKey).ToArray();
        return primary is not null && primary.All(identity.Contains) ? (primary, true) : (identity, false);
    }

    static int[]? PositionsOf(Relation relation, IReadOnlyList<string> columns)
    {
        if (columns.Count == 0)
            return null;
        var positions = new int[columns.Count];
        for (var i = 0; i < columns.Count; i++)
        {
            var position = -1;
            for (var c = 0; c < relation.Columns.Count; c++)
                if (relation.Columns[c].Name == columns[i])
                    position = c;
            if (position < 0)
                return null;
            positions[i] = position;
        }

        Array.Sort(positions);
        return positions;
    }
}
