using System.Buffers;
using System.Buffers.Binary;

namespace Rosetta.Core.Changes;

/// <summary>Bytes in a pooled array that grows; the array goes to the batch that is made of it.</summary>
public struct PooledBytes(int capacity)
{
    byte[] _array = ArrayPool<byte>.Shared.Rent(capacity);

    public int Length { get; private set; }

    /// <summary>Rented; another one after it has grown.</summary>
    public readonly byte[] Array => _array;

    public void Write(ReadOnlySpan<byte> bytes)
    {
        Reserve(bytes.Length);
        bytes.CopyTo(_array.AsSpan(Length));
        Length += bytes.Length;
    }

    /// <summary>Room for so many bytes at the end, which the caller fills before anything else is written.</summary>
    public Span<byte> Append(int length)
    {
        Reserve(length);
        Length += length;
        return _array.AsSpan(Length - length, length);
    }

    /// <summary>A tuple's head in pgoutput's TupleData form.</summary>
    public void WriteCount(int columns)
    {
        Reserve(2);
        BinaryPrimitives.WriteInt16BigEndian(_array.AsSpan(Length), (short)columns);
        Length += 2;
    }

    /// <summary>A column of it.</summary>
    public void WriteValue(ValueKind kind, ReadOnlySpan<byte> value)
    {
        Reserve(5 + value.Length);
        _array[Length++] = (byte)kind;
        if (kind is not (ValueKind.Text or ValueKind.Binary))
            return;
        BinaryPrimitives.WriteInt32BigEndian(_array.AsSpan(Length), value.Length);
        value.CopyTo(_array.AsSpan(Length + 4));
        Length += 4 + value.Length;
    }

    void Reserve(int more)
    {
        if (Length + more <= _array.Length)
            return;
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(Length + more, _array.Length * 2));
        _array.AsSpan(0, Length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_array);
        _array = larger;
    }
}
