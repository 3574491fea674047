using System.Buffers.Binary;

namespace Rosetta.Testing.Equality;

/// <summary>Walks two sorted row streams in step and notes where they differ.</summary>
sealed class RowMerge(ComparisonPlan plan, CopyRowReader source, CopyRowReader destination, int keptDifferences)
{
    readonly List<RowDifference> _differences = [];

    public long DifferenceCount { get; private set; }

    public IReadOnlyList<RowDifference> Differences => _differences;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var hasSource = await source.ReadAsync(cancellationToken);
        var hasDestination = await destination.ReadAsync(cancellationToken);
        while (hasSource || hasDestination)
        {
            var order = !hasSource ? 1 : !hasDestination ? -1 : Compare();
            if (order < 0)
                Note(RowDifferenceKind.MissingAtDestination, source);
            else if (order > 0)
                Note(RowDifferenceKind.ExtraAtDestination, destination);
            if (order <= 0)
                hasSource = await source.ReadAsync(cancellationToken);
            if (order >= 0)
                hasDestination = await destination.ReadAsync(cancellationToken);
        }
    }

    // Below zero: the source's row comes first. Rows of the same key are compared here as well.
    int Compare()
    {
        if (source.Row.SequenceEqual(destination.Row))
            return 0;
        for (var i = 0; i < plan.KeyOrders.Count; i++)
        {
            var order = plan.KeyOrders[i] == KeyOrder.SignedInteger
                ? Integer(source.Field(i)).CompareTo(Integer(destination.Field(i)))
                : source.Field(i).SequenceCompareTo(destination.Field(i));
            if (order != 0)
                return order;
        }
        Note(RowDifferenceKind.Changed, source);
        return 0;
    }

    void Note(RowDifferenceKind kind, CopyRowReader row)
    {
        DifferenceCount++;
        if (_differences.Count < keptDifferences)
            _differences.Add(new RowDifference(kind, ShowKey(row), kind == RowDifferenceKind.Changed ? [.. ChangedColumns()] : []));
    }

    List<ColumnDifference> ChangedColumns()
    {
        var changed = new List<ColumnDifference>();
        var first = plan.KeyOrders.Count;
        for (var i = 0; i < plan.Columns.Count; i++)
        {
            var field = first + i;
            if (source.IsNull(field) == destination.IsNull(field) && source.Field(field).SequenceEqual(destination.Field(field)))
                continue;
            changed.Add(new ColumnDifference(
                plan.Columns[i].Source,
                BinaryValue.Show(plan.Types[i], source.IsNull(field), source.Field(field)),
                BinaryValue.Show(plan.Types[i], destination.IsNull(field), destination.Field(field))));
        }
        return changed;
    }

    string ShowKey(CopyRowReader row) =>
        string.Join(", ", plan.KeyNames.Select((name, i) => $"{name} {BinaryValue.Show(TypeOf(i, row), row.IsNull(i), row.Field(i))}"));

    string TypeOf(int keyPart, CopyRowReader row) => plan.KeyOrders[keyPart] switch
    {
        KeyOrder.SignedInteger => row.Field(keyPart).Length switch { 2 => "smallint", 4 => "integer", _ => "bigint" },
        KeyOrder.Uuid => "uuid",
        _ => "text"
    };

    static long Integer(ReadOnlySpan<byte> bytes) => bytes.Length switch
    {
        2 => BinaryPrimitives.ReadInt16BigEndian(bytes),
        4 => BinaryPrimitives.ReadInt32BigEndian(bytes),
        _ => BinaryPrimitives.ReadInt64BigEndian(bytes)
    };
}
