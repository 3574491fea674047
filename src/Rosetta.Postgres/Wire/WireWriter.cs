using System.Buffers;
using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace Rosetta.Postgres.Wire;

/// <summary>Gathers messages for the server in one pooled buffer until <see cref="FlushAsync"/> sends them.</summary>
/// <param name="capacity">Size of the buffer at first, in bytes.</param>
/// <param name="kept">A buffer that has grown beyond it is given back after it was sent.</param>
sealed class WireWriter(int capacity = 8 * 1024, int kept = 256 * 1024) : IBufferWriter<byte>, IDisposable
{
    byte[] _buffer = ArrayPool<byte>.Shared.Rent(capacity);
    int _length;

    /// <summary>Bytes waiting to be sent.</summary>
    public int Length => _length;

    /// <summary>Starts a message and returns the mark for <see cref="End"/>.</summary>
    public int Begin(byte code)
    {
        Span<byte> head = GetSpan(5);
        head[0] = code;
        _length += 5;
        return _length - 4;
    }

    /// <summary>Writes the message's length where <see cref="Begin"/> left room for it.</summary>
    public void End(int mark) => PatchInt32(mark, _length - mark);

    /// <summary>A message without a body.</summary>
    public void Empty(byte code) => End(Begin(code));

    public void PatchInt32(int at, int value) => BinaryPrimitives.WriteInt32BigEndian(_buffer.AsSpan(at), value);

    public void PatchInt16(int at, short value) => BinaryPrimitives.WriteInt16BigEndian(_buffer.AsSpan(at), value);

    public void WriteByte(byte value)
    {
        GetSpan(1)[0] = value;
        _length++;
    }

    public void WriteInt16(short value)
    {
        BinaryPrimitives.WriteInt16BigEndian(GetSpan(2), value);
        _length += 2;
    }

    public void WriteInt32(int value)
    {
        BinaryPrimitives.WriteInt32BigEndian(GetSpan(4), value);
        _length += 4;
    }

    public void WriteInt64(long value)
    {
        BinaryPrimitives.WriteInt64BigEndian(GetSpan(8), value);
        _length += 8;
    }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(GetSpan(bytes.Length));
        _length += bytes.Length;
    }

    public void WriteText(string text) =>
        _length += Encoding.UTF8.GetBytes(text, GetSpan(Encoding.UTF8.GetMaxByteCount(text.Length)));

    /// <summary>A zero-terminated string, as the protocol wants it.</summary>
    public void WriteString(string text)
    {
        if (text.Contains('\0'))
            throw new ArgumentException("A statement, name or setting sent to PostgreSQL must not contain the character U+0000.", nameof(text));
        WriteText(text);
        WriteByte(0);
    }

    public void Advance(int count) => _length += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        EnsureRoom(sizeHint);
        return _buffer.AsMemory(_length);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        EnsureRoom(sizeHint);
        return _buffer.AsSpan(_length);
    }

    void EnsureRoom(int sizeHint)
    {
        int size = Math.Max(sizeHint, 1);
        if (_buffer.Length - _length >= size)
            return;
        long wanted = Math.Max((long)_length + size, Math.Min(2L * _buffer.Length, Array.MaxLength));
        if (wanted > Array.MaxLength)
            throw new InvalidOperationException("More than 2 GB were queued for one flush; send in smaller pieces.");
        byte[] larger = ArrayPool<byte>.Shared.Rent((int)wanted);
        Buffer.BlockCopy(_buffer, 0, larger, 0, _length);
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = larger;
    }

    /// <summary>Forgets what was gathered and not sent.</summary>
    public void Clear() => _length = 0;

    /// <summary>Sends everything gathered so far.</summary>
    /// <exception cref="PgConnectionException">The connection is lost.</exception>
    public async ValueTask FlushAsync(Stream stream, string peer, CancellationToken cancellationToken)
    {
        int length = _length;
        _length = 0;
        try
        {
            await stream.WriteAsync(_buffer.AsMemory(0, length), cancellationToken);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            throw new PgConnectionException($"The connection to {peer} was lost: {(e.InnerException ?? e).Message}", e);
        }

        if (_buffer.Length > kept && _length == 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = ArrayPool<byte>.Shared.Rent(capacity);
        }
    }

    public void Dispose()
    {
        byte[] buffer = _buffer;
        _buffer = [];
        _length = 0;
        if (buffer.Length > 0)
            ArrayPool<byte>.Shared.Return(buffer);
    }
}
