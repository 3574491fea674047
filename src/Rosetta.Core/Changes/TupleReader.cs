using System.Buffers.Binary;

namespace Rosetta.Core.Changes;

/// <summary>How pgoutput sent a column's value (TupleData in the protocol documentation).</summary>
public enum ValueKind : byte
{
    Null = (byte)'n',

    /// <summary>A TOASTed value that the update did not touch; it is not in the stream.</summary>
    Unchanged = (byte)'u',
    Text = (byte)'t',
    Binary = (byte)'b',
}

/// <summary>Walks the columns of a tuple in pgoutput's TupleData form, in place: Int16 count, then per column a kind byte and, for text and
/// binary, Int32 length and bytes.</summary>
public ref struct TupleReader
{
    readonly ReadOnlySpan<byte> _bytes;
    int _offset;

    /// <param name="bytes">The batch's bytes.</param>
    /// <param name="offset">Where the tuple begins.</param>
    public TupleReader(ReadOnlySpan<byte> bytes, int offset)
    {
        _bytes = bytes;
        Columns = BinaryPrimitives.ReadInt16BigEndian(bytes[offset..]);
        _offset = offset + 2;
        Column = -1;
    }

    /// <summary>Number of columns in the tuple.</summary>
    public int Columns { get; }

    /// <summary>Index of the current column.</summary>
    public int Column { get; private set; }

    public ValueKind Kind { get; private set; }

    /// <summary>The current value's bytes; empty for null and unchanged.</summary>
    public ReadOnlySpan<byte> Value { get; private set; }

    /// <summary>Offset of the current value in the batch's bytes.</summary>
    public readonly int ValueOffset => _offset - Value.Length;

    /// <summary>Offset just after the current column; after the last column, the tuple's end.</summary>
    public readonly int Offset => _offset;

    public bool Read()
    {
        if (++Column >= Columns)
            return false;
        Kind = (ValueKind)_bytes[_offset++];
        if (Kind is ValueKind.Text or ValueKind.Binary)
        {
            var length = BinaryPrimitives.ReadInt32BigEndian(_bytes[_offset..]);
            _offset += 4;
            Value = _bytes.Slice(_offset, length);
            _offset += length;
        }
        else
        {
            Value = default;
        }

        return true;
    }
}
