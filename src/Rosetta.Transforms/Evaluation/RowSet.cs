using Rosetta.Core.Changes;

namespace Rosetta.Transforms.Evaluation;

/// <summary>Where a value's bytes lie.</summary>
/// <param name="Buffer">Which buffer of the row set.</param>
public readonly record struct Cell(int Buffer, int Offset, int Length, ValueKind Kind)
{
    public static readonly Cell Null = new(-1, 0, 0, ValueKind.Null);

    public bool IsNull => Kind == ValueKind.Null;
}

/// <summary>Rows to evaluate: for each the cells of the columns that are read, as references into bytes that lie elsewhere. Reused.</summary>
public sealed class RowSet(int columns)
{
    readonly List<ReadOnlyMemory<byte>> _buffers = [];
    Cell[] _cells = new Cell[Math.Max(64, columns * 256)];

    public int Columns { get; } = columns;

    public int Rows { get; private set; }

    /// <summary>Bytes have to stay until the evaluation is done.</summary>
    /// <returns>Its number, for <see cref="Cell.Buffer"/>.</returns>
    public int AddBuffer(ReadOnlyMemory<byte> bytes)
    {
        _buffers.Add(bytes);
        return _buffers.Count - 1;
    }

    /// <summary>Adds a row; its cells, to be filled in.</summary>
    public Span<Cell> AddRow()
    {
        var start = Rows * Columns;
        if (start + Columns > _cells.Length)
            Array.Resize(ref _cells, Math.Max(_cells.Length * 2, start + Columns));
        Rows++;
        return _cells.AsSpan(start, Columns);
    }

    internal ReadOnlySpan<Cell> this[int row] => _cells.AsSpan(row * Columns, Columns);

    internal ReadOnlySpan<byte> BytesOf(in Cell cell) => _buffers[cell.Buffer].Span.Slice(cell.Offset, cell.Length);

    public void Clear()
    {
        _buffers.Clear();
        Rows = 0;
    }
}
