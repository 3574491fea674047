using System.Globalization;
using System.Text;

namespace Rosetta.Testing.Equality;

/// <summary>Outcome of comparing one table. Its text is one line when equal, and names the first differences when not.</summary>
public sealed record TableComparisonResult(TablePair Table, long SourceRows, long DestinationRows)
{
    /// <summary>All differing rows, of which <see cref="Differences"/> holds the first.</summary>
    public long DifferenceCount { get; init; }

    public IReadOnlyList<RowDifference> Differences { get; init; } = [];

    /// <summary>Why the tables could not be compared row by row, e.g. one is missing.</summary>
    public string? Problem { get; init; }

    public bool Equal => Problem is null && DifferenceCount == 0;

    public override string ToString()
    {
        if (Problem is not null)
            return $"{Table}: not comparable: {Problem}";
        if (Equal)
            return string.Create(CultureInfo.InvariantCulture, $"{Table}: equal, {SourceRows} rows");
        var text = new StringBuilder().Append(
            CultureInfo.InvariantCulture,
            $"{Table}: DIFFERENT, {DifferenceCount} rows (source has {SourceRows}, destination {DestinationRows})");
        foreach (var difference in Differences)
            text.Append("\n    ").Append(difference);
        if (DifferenceCount > Differences.Count)
            text.Append(CultureInfo.InvariantCulture, $"\n    and {DifferenceCount - Differences.Count} more");
        return text.ToString();
    }
}

public enum RowDifferenceKind
{
    MissingAtDestination,
    ExtraAtDestination,
    Changed
}

/// <summary>One differing row: its key as text, and for a changed one the columns that differ.</summary>
public sealed record RowDifference(RowDifferenceKind Kind, string Key, IReadOnlyList<ColumnDifference> Columns)
{
    public override string ToString() => Kind switch
    {
        RowDifferenceKind.MissingAtDestination => $"{Key}: missing at the destination",
        RowDifferenceKind.ExtraAtDestination => $"{Key}: not at the source",
        _ => $"{Key}: {string.Join(", ", Columns)}"
    };
}

/// <summary>A column's two values, shortened for reading.</summary>
public sealed record ColumnDifference(string Column, string Source, string Destination)
{
    public override string ToString() => $"{Column} is {Destination} instead of {Source}";
}
