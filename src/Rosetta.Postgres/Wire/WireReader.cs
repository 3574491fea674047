using System.Buffers;
using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace Rosetta.Postgres.Wire;

/// <summary>
/// Frames the server's messages in a pooled buffer. Messages are handed out in place; <see cref="FillAsync"/> ends their validity.
/// One reader at a time.
/// </summary>
sealed class WireReader(Stream stream, string peer, int capacity) : IDisposable
{
    // pq_getmessage on the other side has the same limit; more is garbage, not a message.
    const int LongestMessage = 0x3fffffff;

    byte[] _buffer = ArrayPool<byte>.Shared.Rent(capacity);
    int _start;
    int _end;

    /// <summary>Bytes that have been read and not yet handed out.</summary>
    public int Buffered => _end - _start;

    /// <summary>Takes the next message, if the whole of it has arrived.</summary>
    public bool TryRead(out WireMessage message)
    {
        int available = _end - _start;
        if (available >= 5)
        {
            int length = MessageLength();
            if (available > length)
            {
                message = new WireMessage(_buffer[_start], _buffer, _start + 5, length - 4);
                _start += length + 1;
                return true;
            }
        }

        message = default;
        return false;
    }

    /// <summary>The next message, waiting for it if necessary.</summary>
    public ValueTask<WireMessage> NextAsync(CancellationToken cancellationToken) =>
        TryRead(out WireMessage message) ? ValueTask.FromResult(message) : WaitAsync(cancellationToken);

    async ValueTask<WireMessage> WaitAsync(CancellationToken cancellationToken)
    {
        WireMessage message;
        do
            await FillAsync(cancellationToken);
        while (!TryRead(out message));
        return message;
    }

    /// <summary>Reads what the socket has, at least one byte. It completes at once if something is there.</summary>
    /// <exception cref="PgConnectionException">The connection is lost or was closed by the server.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask FillAsync(CancellationToken cancellationToken)
    {
        MakeRoom();
        int read;
        try
        {
            read = await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            throw new PgConnectionException($"The connection to {peer} was lost: {(e.InnerException ?? e).Message}", e);
        }

        if (read == 0)
            throw new PgConnectionException($"The server closed the connection to {peer}; its log says why (crash, shutdown, or a connection terminated)");
        _end += read;
    }

    int MessageLength()
    {
        int length = BinaryPrimitives.ReadInt32BigEndian(_buffer.AsSpan(_start + 1));
        if (length is < 4 or > LongestMessage)
            throw new PgConnectionException($"What {peer} sends is not PostgreSQL's protocol (a message of length {length})");
        return length;
    }

    void MakeRoom()
    {
        int available = _end - _start;
        int needed = available >= 5 ? MessageLength() + 1 : 5;
        if (available == 0)
            _start = _end = 0;
        if (needed > _buffer.Length)
            Resize(needed);
        else if (_buffer.Length > 4 * capacity && needed <= capacity && available <= capacity)
            Resize(capacity);
        else if (_start > 0 && (_start + needed > _buffer.Length || _buffer.Length - _end < _buffer.Length / 4))
            Compact(_buffer);
    }

    void Resize(int size)
    {
        byte[] old = _buffer;
        byte[] larger = ArrayPool<byte>.Shared.Rent(size);
        Compact(larger);
        _buffer = larger;
        ArrayPool<byte>.Shared.Return(old);
    }

    void Compact(byte[] target)
    {
        int available = _end - _start;
        Buffer.BlockCopy(_buffer, _start, target, 0, available);
        _start = 0;
        _end = available;
    }

    public void Dispose()
    {
        byte[] buffer = _buffer;
        _buffer = [];
        _start = _end = 0;
        if (buffer.Length > 0)
            ArrayPool<byte>.Shared.Return(buffer);
    }
}
