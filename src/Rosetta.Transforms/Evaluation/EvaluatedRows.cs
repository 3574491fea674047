using System.Buffers;
using Rosetta.Core.Changes;

namespace Rosetta.Transforms.Evaluation;

/// <summary>What became of the rows of a <see cref="RowSet"/>. Reused.</summary>
public sealed class EvaluatedRows
{
    readonly ArrayBufferWriter<byte> _bytes = new();
    int[] _places = [];
    Cell[] _cells = [];
    int _kept;
    int _computed;

    /// <summary>Rows that passed the filter.</summary>
    public int Kept => _kept;

    public bool IsKept(int row) => _places[row] >= 0;

    /// <summary>A computed value of a row that is kept: binary form, or Null.</summary>
    /// <param name="computed">See <see cref="Compilation.OutputColumn.Computed"/>.</param>
    public ReadOnlySpan<byte> Value(int row, int computed, out ValueKind kind)
    {
        ref readonly var cell = ref _cells[(_places[row] * _computed) + computed];
        kind = cell.Kind;
        return cell.IsNull ? default : _bytes.WrittenSpan.Slice(cell.Offset, cell.Length);
    }

    internal IBufferWriter<byte> Bytes => _bytes;

    internal int Length => _bytes.WrittenCount;

    internal void Start(int rows, int computed)
    {
        _bytes.ResetWrittenCount();
        _kept = 0;
        _computed = computed;
        if (_places.Length < rows)
            _places = new int[Math.Max(rows, _places.Length * 2)];
        _places.AsSpan(0, rows).Fill(-1);
        if (_cells.Length < rows * computed)
            _cells = new Cell[rows * computed];
    }

    internal Span<Cell> Keep(int row)
    {
        _places[row] = _kept;
        return _cells.AsSpan(_kept++ * _computed, _computed);
    }
}
