using Rosetta.Core.Options;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Core.Destinations;

/// <summary>Where a source table's changes go.</summary>
/// <param name="Source">The table at the source.</param>
/// <param name="Target">The table at the destination.</param>
/// <param name="Columns">The columns that are wanted; null for all, later ones included.</param>
public sealed record TableRoute(TableName Source, TableName Target, IReadOnlyList<string>? Columns)
{
    /// <summary>What is made of the rows on their way; null: nothing. Destinations do not look at it: they see what came of it.</summary>
    public TransformChoice? Transform { get; init; }

    /// <summary>What is wanted of it beyond its rows. Destinations look at it where a TRUNCATE or a copy comes.</summary>
    public TableOptions Options { get; init; } = TableOptions.None;

    /// <summary>The target gets what the source's table has beside rows and key.</summary>
    /// <param name="otherwise">For a table of which nothing is said.</param>
    public bool WantsExtras(bool otherwise) => Options.WithIndexes ?? otherwise;

    /// <summary>
    /// Names what is made of the rows: a table whose rows were made otherwise has to be copied again. Null for a table as it is, with all its columns.
    /// </summary>
    public string? Fingerprint
    {
        get
        {
            var rows = Transform is null && Columns is null ? null : (Transform ?? new TransformChoice(null, null)).Fingerprint(Columns);
            return Options.Fingerprint is { } options ? $"{rows}-{options}" : rows;
        }
    }

    /// <summary>Goes to the same table, and rows are made the same way.</summary>
    public bool IsSameAs(TableRoute? other) => other is not null && Target == other.Target && Fingerprint == other.Fingerprint;
}

/// <summary>A table's state as the destination stores it, in the transaction that made it so.</summary>
/// <param name="Since">The LSN of the snapshot it was copied from: changes with a commit LSN below are in the copy. Null before the first copy.</param>
/// <param name="Stop">Set when it stopped; nothing is applied to it until it is copied again.</param>
/// <param name="CopiedRows">Rows of its last copy.</param>
public sealed record DestinationTable(TableName Source, TableName Target, Lsn? Since, TableStop? Stop, long CopiedRows)
{
    /// <summary>Changes are applied to it.</summary>
    public bool Streams => Since is not null && Stop is null;

    /// <summary>Set while it is being copied by chunks: it has changes, and not yet all rows.</summary>
    public CopyingState? Copying { get; init; }

    /// <summary>What the source's table has beside rows and key has not been made since its last copy, or since it was last not wanted.</summary>
    public bool LacksExtras { get; init; }

    /// <summary>What of that could not be made; null when nothing is missing.</summary>
    public MissingExtra? Missing { get; init; }

    /// <summary>The <see cref="TableRoute.Fingerprint"/> that its rows were made by.</summary>
    public string? Transform { get; init; }
}

/// <summary>How far the copy of a table by chunks is.</summary>
/// <param name="UpTo">The last key of the chunks that have landed; null before the first.</param>
/// <param name="RangesAreFinished">All ranges have landed; single keys may be left.</param>
/// <param name="Replaces">Rows that only the destination has are deleted.</param>
public sealed record CopyingState(IReadOnlyList<string>? UpTo, bool RangesAreFinished, bool Replaces)
{
    /// <summary>What a first copy had brought in the order of the source's storage before it was cut; the keys are those of the rest.</summary>
    public Chunks.PageMark? Pages { get; init; }

    /// <summary>All ranges have landed; the destination's keys up to <see cref="UpTo"/> have been looked up at the source.</summary>
    public bool IsSweeping { get; init; }
}
