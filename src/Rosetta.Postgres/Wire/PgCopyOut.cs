using System.Buffers;

namespace Rosetta.Postgres.Wire;

/// <summary>
/// The data of COPY ... TO STDOUT, as the server sends them. Every chunk ends at the end of a row (the server sends a message per row); with
/// FORMAT binary the first one begins with the header and the last one ends with the trailer, so that they can be handed to another COPY as they are.
/// </summary>
public sealed class PgCopyOut : IAsyncDisposable
{
    /// <summary>Bytes at which a chunk is handed out; it is longer only if one row is.</summary>
    public const int DefaultChunkBytes = 256 * 1024;

    // Header "PGCOPY\n\377\r\n\0", flags and extension length; it comes in one message with the first row, or with the trailer.
    const int BinaryHeaderBytes = 19;
    const int BinaryTrailerBytes = 2;

    readonly PgConnection _connection;
    bool _isBinary;
    bool _started;
    bool _ended;

    internal PgCopyOut(PgConnection connection)
    {
        _connection = connection;
    }

    /// <summary>Rows handed out so far.</summary>
    public long RowCount { get; private set; }

    /// <summary>The next chunk, which the caller disposes of; null at the end.</summary>
    /// <exception cref="PgServerException">The statement failed in the middle; the connection is usable again.</exception>
    /// <exception cref="PgConnectionException">The connection is lost.</exception>
    public async ValueTask<PgCopyChunk?> ReadAsync(int chunkBytes = DefaultChunkBytes, CancellationToken cancellationToken = default)
    {
        if (_ended)
            return null;
        PgCopyChunk? chunk = null;
        try
        {
            PgServerException? error = null;
            while (true)
            {
                WireMessage message = await _connection.NextAsync(cancellationToken);
                switch (message.Code)
                {
                    case Backend.CopyData:
                        chunk ??= new PgCopyChunk(Math.Max(chunkBytes, message.Length));
                        int header = HeaderOf(message.Body);
                        bool isRow = IsRow(message.Body, header);
                        if (isRow)
                            RowCount++;
                        chunk.Append(message.Body, isRow, header);
                        if (chunk.Length >= chunkBytes - (chunkBytes / 16))
                            return chunk;
                        break;
                    case Backend.CopyDone or Backend.CommandComplete:
                        break;
                    case Backend.Error:
                        error = PgConnection.ErrorOf(message);
                        break;
                    case Backend.ReadyForQuery:
                        End();
                        return error is null ? chunk : throw error;
                    default:
                        throw _connection.Unexpected(message, "during COPY TO STDOUT");
                }
            }
        }
        catch (Exception e)
        {
            chunk?.Dispose();
            await _connection.FailAsync(e);
            if (_connection.IsBroken)
                End();
            throw;
        }
    }

    /// <summary>The length of the binary format's header, which only the first message begins with.</summary>
    int HeaderOf(ReadOnlySpan<byte> body)
    {
        if (_started)
            return 0;
        _started = true;
        _isBinary = IsBinaryHeader(body);
        return _isBinary ? BinaryHeaderBytes : 0;
    }

    bool IsRow(ReadOnlySpan<byte> body, int header) =>
        !_isBinary || (header > 0 ? body.Length > BinaryHeaderBytes + BinaryTrailerBytes : body.Length != BinaryTrailerBytes);

    static bool IsBinaryHeader(ReadOnlySpan<byte> body) =>
        body.Length >= BinaryHeaderBytes && body[..6].SequenceEqual("PGCOPY"u8) && body[6] == '\n' && body[7] == 0xff;

    void End()
    {
        if (_ended)
            return;
        _ended = true;
        _connection.Exit();
    }

    /// <summary>If the data were not read to their end, the server is told to stop and the connection is given up.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_ended)
            return;
        await _connection.FailAsync(new OperationCanceledException());
        End();
    }
}

/// <summary>A run of whole rows from COPY, in a pooled buffer. Dispose of it when the bytes are no longer needed.</summary>
public sealed class PgCopyChunk : IDisposable
{
    byte[] _buffer;
    (int Start, int Length) _last;

    internal PgCopyChunk(int capacity) => _buffer = ArrayPool<byte>.Shared.Rent(capacity);

    public int Length { get; private set; }

    /// <summary>Rows in it; the header and the trailer of the binary format are none.</summary>
    public int RowCount { get; private set; }

    public ReadOnlyMemory<byte> Memory => _buffer.AsMemory(0, Length);

    /// <summary>The last row, without header; empty without rows.</summary>
    public ReadOnlyMemory<byte> LastRow => _buffer.AsMemory(_last.Start, _last.Length);

    internal void Append(ReadOnlySpan<byte> bytes, bool isRow, int header = 0)
    {
        if (isRow)
            _last = (Length + header, bytes.Length - header);
        if (Length + bytes.Length > _buffer.Length)
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent(Length + bytes.Length);
            Memory.Span.CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = larger;
        }

        bytes.CopyTo(_buffer.AsSpan(Length));
        Length += bytes.Length;
        if (isRow)
            RowCount++;
    }

    public void Dispose()
    {
        byte[] buffer = _buffer;
        _buffer = [];
        _last = default;
        Length = 0;
        if (buffer.Length > 0)
            ArrayPool<byte>.Shared.Return(buffer);
    }
}
