using System.Buffers;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>
/// A chunk's rows in the node's memory, in COPY's binary form, until the chunk's place in the lane. There are few of them in a node, so that its memory stays
/// bounded however many copies run; who gets none stages its rows at the destination. Not thread-safe.
/// </summary>
sealed class HeldRows : IDisposable
{
    /// <summary>Bytes of one; a chunk that is larger is staged.</summary>
    public const int Capacity = 16 << 20;

    const int MostOfNode = 4;

    static int s_taken;

    byte[] _buffer = ArrayPool<byte>.Shared.Rent(Capacity);
    int _length;

    HeldRows()
    {
    }

    /// <summary>Null: the node holds as many as it may.</summary>
    public static HeldRows? TryTake()
    {
        if (Interlocked.Increment(ref s_taken) <= MostOfNode)
            return new HeldRows();
        Interlocked.Decrement(ref s_taken);
        return null;
    }

    public ReadOnlyMemory<byte> Bytes => _buffer.AsMemory(0, _length);

    /// <summary>False: there is no room for it.</summary>
    public bool TryAdd(ReadOnlySpan<byte> piece)
    {
        if (_length + piece.Length > Capacity)
            return false;
        piece.CopyTo(_buffer.AsSpan(_length));
        _length += piece.Length;
        return true;
    }

    public void Clear() => _length = 0;

    public void Dispose()
    {
        if (_buffer.Length == 0)
            return;
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        _length = 0;
        Interlocked.Decrement(ref s_taken);
    }
}
