using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Rosetta.Core.Changes;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Transforms.Compilation;
using Rosetta.Transforms.Engine;
using Rosetta.Transforms.Evaluation;

namespace Rosetta.Transforms.Copies;

/// <summary>
/// Rows of a copy as a transform makes them: COPY's binary form in, the same form out, filtered, with the transform's columns. Values that are passed
/// through are the source's bytes.
/// </summary>
/// <param name="source">Binary form; has the columns that the transform needs, in any order. Its pieces need not end with a row.</param>
public sealed class TransformedCopySource(ICopySource source, CompiledTransform transform, DuckEngine engine) : ICopySource
{
    readonly int[] _places = Places(source, transform);

    public IReadOnlyList<string> ColumnNames { get; } = [.. transform.Output.Select(c => c.Name)];

    /// <summary>Rows that were kept.</summary>
    public long? Rows { get; private set; }

    /// <summary>Rows that were read.</summary>
    public long Read { get; private set; }

    /// <inheritdoc/>
    /// <exception cref="FaultException">An expression failed on a row.</exception>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Rows = 0;
        using var piece = new CopyPiece(transform, _places, engine);
        piece.Output.Write(CopyRows.Header);
        await foreach (var bytes in source.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            try
            {
                piece.Take(bytes.Span);
            }
            catch (EvaluationException e)
            {
                throw Failed(e);
            }

            (Rows, Read) = (piece.Kept, piece.Read);
            if (piece.Output.WrittenCount == 0)
                continue;
            yield return piece.Output.WrittenMemory;
            piece.Output.ResetWrittenCount();
        }

        piece.Output.Write(CopyRows.Trailer);
        yield return piece.Output.WrittenMemory;
    }

    static int[] Places(ICopySource source, CompiledTransform transform)
    {
        var places = new int[transform.Columns.Count];
        Array.Fill(places, -1);
        var names = source.ColumnNames.ToList();
        foreach (var needed in transform.Needed)
        {
            var name = transform.Columns[needed].Name;
            var place = names.IndexOf(name);
            places[needed] = place >= 0 ? place : throw new InvalidOperationException($"The copy of {transform.Table} does not bring column {name}.");
        }

        return places;
    }

    FaultException Failed(EvaluationException error) => new(
        new Fault(
            ErrorClass.Table, $"The transform of {transform.Table} failed on a row: {error.Message}",
            "Correct filter_sql or custom_sql of its table_syncs entry (TRY_CAST gives NULL instead of an error), or the row at the source; then resync the table.")
        {
            ForLog = $"The transform of {transform.Table} failed on a row.",
        },
        error);
}

/// <summary>The state of one read: bytes that do not make a row yet, and what became of those that do.</summary>
sealed class CopyPiece(CompiledTransform transform, int[] places, DuckEngine engine) : IDisposable
{
    readonly TransformEvaluator? _evaluator = transform.Evaluates ? new TransformEvaluator(transform, engine) : null;
    readonly RowSet _rows = new(transform.Reads.Count);
    readonly EvaluatedRows _evaluated = new();
    readonly List<int> _starts = [];
    readonly Cell[] _cells = new Cell[short.MaxValue];
    readonly ArrayBufferWriter<byte> _pending = new();
    bool _begun;

    public ArrayBufferWriter<byte> Output { get; } = new(256 * 1024);

    public long Kept { get; private set; }

    public long Read { get; private set; }

    public void Take(ReadOnlySpan<byte> piece)
    {
        _pending.Write(piece);
        var bytes = _pending.WrittenMemory;
        var offset = 0;
        if (!_begun)
        {
            if (bytes.Length < CopyRows.HeaderLength)
                return;
            offset = CopyRows.HeaderLength + BinaryPrimitives.ReadInt32BigEndian(bytes.Span[(CopyRows.HeaderLength - 4)..]);
            _begun = true;
        }

        offset = FindRows(bytes, offset);
        _evaluator?.Evaluate(_rows, _evaluated);
        for (var row = 0; row < _starts.Count; row++)
        {
            Read++;
            if (_evaluator is null || _evaluated.IsKept(row))
                Write(bytes.Span, row);
        }

        Keep(bytes.Span[offset..]);
    }

    int FindRows(ReadOnlyMemory<byte> memory, int offset)
    {
        var bytes = memory.Span;
        _rows.Clear();
        _starts.Clear();
        _rows.AddBuffer(memory);
        while (CopyRows.EndOf(bytes, offset) is >= 0 and var end)
        {
            if (!CopyRows.IsTrailer(bytes, offset))
            {
                _starts.Add(offset);
                if (_evaluator is not null)
                    ReadCells(bytes, offset);
            }

            offset = end;
        }

        return offset;
    }

    void ReadCells(ReadOnlySpan<byte> bytes, int offset)
    {
        Locate(bytes, offset);
        var row = _rows.AddRow();
        for (var i = 0; i < row.Length; i++)
            row[i] = _cells[places[transform.Reads[i]]];
    }

    /// <summary>Where the values of the row lie.</summary>
    void Locate(ReadOnlySpan<byte> bytes, int offset)
    {
        var columns = BinaryPrimitives.ReadInt16BigEndian(bytes[offset..]);
        offset += 2;
        for (var i = 0; i < columns; i++)
        {
            var length = BinaryPrimitives.ReadInt32BigEndian(bytes[offset..]);
            offset += 4;
            _cells[i] = length < 0 ? Cell.Null : new Cell(0, offset, length, ValueKind.Binary);
            offset += Math.Max(0, length);
        }
    }

    void Write(ReadOnlySpan<byte> bytes, int row)
    {
        Kept++;
        Locate(bytes, _starts[row]);
        BinaryPrimitives.WriteInt16BigEndian(Output.GetSpan(2), (short)transform.Output.Count);
        Output.Advance(2);
        foreach (var column in transform.Output)
        {
            if (column.IsComputed)
            {
                var value = _evaluated.Value(row, column.Computed, out var kind);
                WriteValue(value, kind == ValueKind.Null);
                continue;
            }

            var cell = _cells[places[column.Source]];
            WriteValue(bytes.Slice(cell.Offset, cell.Length), cell.IsNull);
        }
    }

    void WriteValue(ReadOnlySpan<byte> value, bool isNull)
    {
        BinaryPrimitives.WriteInt32BigEndian(Output.GetSpan(4), isNull ? -1 : value.Length);
        Output.Advance(4);
        Output.Write(value);
    }

    void Keep(ReadOnlySpan<byte> rest)
    {
        if (rest.IsEmpty)
        {
            _pending.ResetWrittenCount();
            return;
        }

        var copy = ArrayPool<byte>.Shared.Rent(rest.Length);
        rest.CopyTo(copy);
        var length = rest.Length;
        _pending.ResetWrittenCount();
        _pending.Write(copy.AsSpan(0, length));
        ArrayPool<byte>.Shared.Return(copy);
    }

    public void Dispose() => _evaluator?.Dispose();
}
