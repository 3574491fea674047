using Rosetta.Core.DeadLetters;
using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Destination.Apply;

/// <summary>
/// What was learnt about a group that failed, until it is through: which tables to apply change by change, and which to stop. Nothing of it is
/// needed for correctness; it outlives a session so that a large transaction that has to be read again does not fail again in the same way. Not so where the
/// session failed for another reason: a change that is parked because it was refused minutes ago may fit by now, and the store may be what is full.
/// </summary>
sealed class ApplyMemory
{
    /// <summary>
    /// Tables in which an update of many rows met a second unique constraint on its way: their rows are deleted and made anew from then on.
    /// Kept: where values move between rows once they do so again.
    /// </summary>
    public HashSet<TableName> Replacing { get; } = [];

    /// <summary>Tables whose guilty change is searched.</summary>
    public HashSet<TableName> Careful { get; } = [];

    /// <summary>Tables whose plan was made anew, as it may not fit what is at the destination any more.</summary>
    public HashSet<TableName> Replanned { get; } = [];

    /// <summary>
    /// Groups to come that are applied in short runs from the beginning: where changes have just failed more are likely to, and a group that fails as a
    /// whole is applied twice. Kept.
    /// </summary>
    public int Wary { get; private set; }

    /// <summary>A group is through.</summary>
    /// <param name="failed">Some of its changes failed and are parked.</param>
    public void Applied(bool failed) => Wary = failed ? WaryGroups : Math.Max(0, Wary - 1);

    const int WaryGroups = 4;

    /// <summary>How many changes fail where they are applied in runs. Kept.</summary>
    public FailureShare Failing { get; } = new();

    /// <summary>Changes that were found to fail, and are parked.</summary>
    public Dictionary<Position, DeadLetterFailure> Guilty { get; } = [];

    /// <summary>Tables that stop in the next transaction that commits.</summary>
    public Dictionary<TableName, (TableName Target, TableStop Stop)> Stopping { get; } = [];

    /// <summary>Tables of which keys became pending in the transaction that commits next.</summary>
    public HashSet<TableName> Pended { get; } = [];

    /// <summary>The group is through.</summary>
    public void Clear()
    {
        Pended.Clear();
        Careful.Clear();
        Replanned.Clear();
        Guilty.Clear();
        Stopping.Clear();
    }
}
