using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Core.Destinations;

/// <summary>The copy of one table from one exported snapshot.</summary>
/// <param name="Route">Where it goes.</param>
/// <param name="Table">The source's table as it was in that snapshot.</param>
/// <param name="Since">LSN of the snapshot (the slot's consistent point).</param>
/// <param name="EmptyFirst">The operator asked for a resync: rows that are there may go. Without it a target with rows is refused.</param>
/// <param name="Format">Form of the bytes of <see cref="ICopySource"/>.</param>
/// <param name="Progress">Told rows and bytes so far, from time to time.</param>
public sealed record TableCopy(
    TableRoute Route, TableDescription Table, Lsn Since, bool EmptyFirst, CopyFormat Format, IProgress<CopyProgress>? Progress)
{
    /// <summary>Stored with the table: the <see cref="TableRoute.Fingerprint"/> of what makes its rows.</summary>
    public string? Transform { get; init; }
}

/// <summary>COPY's own forms. Binary unless a column's type has no binary form.</summary>
public enum CopyFormat
{
    Binary,
    Text,
}

/// <summary>Raw COPY data of the table's columns in <see cref="ColumnNames"/>' order, with header and trailer as COPY TO wrote them.</summary>
public interface ICopySource
{
    IReadOnlyList<string> ColumnNames { get; }

    /// <summary>Rows handed out so far; null when they are not counted.</summary>
    long? Rows => null;

    /// <summary>The bytes; each piece is valid until the next one is asked for.</summary>
    IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken);
}

public readonly record struct CopyProgress(long Rows, long Bytes);

public readonly record struct CopyOutcome(long Rows, long Bytes);
