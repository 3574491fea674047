using System.Buffers;

namespace Rosetta.Postgres.Destination.Fold;

/// <summary>Bytes that live as long as one fold: keys and merged tuples, addressed by offset. Reused, never shrunk below its last size class.</summary>
sealed class ByteArena : IDisposable
{
    byte[] _bytes = ArrayPool<byte>.Shared.Rent(4096);
    int _length;

    public int Length => _length;

    public byte[] Buffer => _bytes;

    public ReadOnlySpan<byte> Slice(int offset, int length) => _bytes.AsSpan(offset, length);

    /// <summary>Room for <paramref name="size"/> bytes at the end; <see cref="Advance"/> keeps what was written.</summary>
    public Span<byte> Reserve(int size)
    {
        if (_bytes.Length - _length < size)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_length + size, _bytes.Length * 2));
            _bytes.AsSpan(0, _length).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_bytes);
            _bytes = larger;
        }

        return _bytes.AsSpan(_length);
    }

    public void Advance(int count) => _length += count;

    /// <summary>Drops everything behind <paramref name="length"/>.</summary>
    public void Truncate(int length) => _length = length;

    public void Clear() => _length = 0;

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = [];
        _length = 0;
    }
}
