using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Core.Destinations;

/// <summary>What is applied in one destination transaction: batches in stream order. The caller holds them until the call ends.</summary>
public sealed class ApplyGroup(IReadOnlyList<ChangeBatch> batches)
{
    public IReadOnlyList<ChangeBatch> Batches { get; } = batches;

    /// <summary>The last transaction goes on in the next group.</summary>
    public bool IsOpenAtEnd => Batches.Count > 0 && Batches[^1].IsOpenAtEnd;

    /// <summary>See <see cref="ChangeBatch.DeliveredUpTo"/>.</summary>
    public Lsn DeliveredUpTo => Batches.Count > 0 ? Batches[^1].DeliveredUpTo : Lsn.Zero;
}

/// <param name="Position">The new durable position, or null while the destination's transaction is open.</param>
/// <param name="Rows">What was done per source table.</param>
/// <param name="Stops">Tables that stopped in this call; already recorded at the destination.</param>
/// <param name="LastCommitTime">Commit time at the source of the last applied transaction, microseconds since 2000-01-01 UTC; 0 when there was none.</param>
public sealed record ApplyResult(
    Lsn? Position, IReadOnlyDictionary<TableName, RowCounts> Rows, IReadOnlyList<KeyValuePair<TableName, TableStop>> Stops, long LastCommitTime)
{
    /// <summary>Changes that were parked instead of being applied, with those that wait behind them; recorded at the destination.</summary>
    public int Parked { get; init; }
}

/// <summary>Changes applied, by what the source did. <paramref name="Divergences"/>: changes that found no row where one had to be.</summary>
public readonly record struct RowCounts(long Inserted, long Updated, long Deleted, long Truncates = 0, long Divergences = 0)
{
    public static RowCounts operator +(RowCounts a, RowCounts b) => Add(a, b);

    public static RowCounts Add(RowCounts a, RowCounts b) => new(
        a.Inserted + b.Inserted, a.Updated + b.Updated, a.Deleted + b.Deleted, a.Truncates + b.Truncates, a.Divergences + b.Divergences);
}

/// <summary>Why a table stopped at a destination.</summary>
/// <param name="At">The change that could not be applied.</param>
/// <param name="Key">Its key, column by column in text form, for the operator; null when it has none.</param>
/// <param name="Reason">What happened, in the server's words where it spoke.</param>
/// <param name="Remedy">What to do.</param>
public sealed record TableStop(Position At, string? Key, string? SqlState, string Reason, string Remedy)
{
    /// <summary>Reason, SQLSTATE and key in a line, for the operator; not for a log.</summary>
    public string Describe()
    {
        string[] more = [.. SqlState is null ? (string[])[] : [$"SQLSTATE {SqlState}"], .. Key is null ? (string[])[] : [$"key {Key}"]];
        return more.Length == 0 ? Reason : $"{Reason} ({string.Join(", ", more)})";
    }
}
