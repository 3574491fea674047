using System.Buffers.Binary;
using Npgsql;

namespace Rosetta.Testing.Equality;

/// <summary>
/// Reads the rows of a COPY ... TO STDOUT (FORMAT binary) one by one, in one buffer that grows to the largest row. The format:
/// an 11-byte signature, 4 bytes of flags, a 4-byte length of a header extension, then per row a 16-bit field count and per field a
/// 32-bit length (-1: NULL) and the bytes; -1 as count ends it.
/// </summary>
sealed class CopyRowReader(NpgsqlConnection connection, NpgsqlRawCopyStream stream) : IAsyncDisposable
{
    const int HeaderBytes = 19;
    byte[] _buffer = new byte[256 * 1024];
    int _start;
    int _end;
    int _rowEnd;
    int[] _fields = [];
    bool _finished;

    /// <summary>How many rows were read.</summary>
    public long Rows { get; private set; }

    /// <summary>The current row's bytes, lengths included: equal rows have equal bytes.</summary>
    public ReadOnlySpan<byte> Row => _buffer.AsSpan(_start, _rowEnd - _start);

    public static async Task<CopyRowReader> OpenAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        var stream = await connection.BeginRawBinaryCopyAsync(sql, cancellationToken);
        var reader = new CopyRowReader(connection, stream);
        while (reader._end < HeaderBytes)
            await reader.FillAsync(cancellationToken);
        var extension = BinaryPrimitives.ReadInt32BigEndian(reader._buffer.AsSpan(HeaderBytes - 4));
        if (extension != 0)
            throw new InvalidDataException($"COPY header extension of {extension} bytes is not expected from a PostgreSQL server");
        reader._start = HeaderBytes;
        reader._rowEnd = HeaderBytes;
        return reader;
    }

    /// <summary>Moves to the next row; false at the end.</summary>
    public async ValueTask<bool> ReadAsync(CancellationToken cancellationToken)
    {
        if (_finished)
            return false;
        _start = _rowEnd;
        while (!TryParse())
            await FillAsync(cancellationToken);
        if (_finished)
            return false;
        Rows++;
        return true;
    }

    /// <summary>A field of the current row, without its length; empty for NULL, see <see cref="IsNull"/>.</summary>
    public ReadOnlySpan<byte> Field(int index) => IsNull(index) ? [] : _buffer.AsSpan(_start + _fields[index] + 4, LengthOf(index));

    public bool IsNull(int index) => LengthOf(index) < 0;

    public async ValueTask DisposeAsync()
    {
        await stream.DisposeAsync();
        await connection.DisposeAsync();
    }

    int LengthOf(int index) => BinaryPrimitives.ReadInt32BigEndian(_buffer.AsSpan(_start + _fields[index]));

    bool TryParse()
    {
        var available = _buffer.AsSpan(_start, _end - _start);
        if (available.Length < 2)
            return false;
        var count = BinaryPrimitives.ReadInt16BigEndian(available);
        if (count < 0)
        {
            _finished = true;
            return true;
        }
        if (_fields.Length != count)
            _fields = new int[count];
        var position = 2;
        for (var i = 0; i < count; i++)
        {
            if (available.Length < position + 4)
                return false;
            _fields[i] = position;
            position += 4 + Math.Max(0, BinaryPrimitives.ReadInt32BigEndian(available[position..]));
            if (available.Length < position)
                return false;
        }
        _rowEnd = _start + position;
        return true;
    }

    // Makes room behind what is kept of the current row, and reads more.
    async ValueTask FillAsync(CancellationToken cancellationToken)
    {
        var kept = _end - _start;
        if (kept == _buffer.Length)
            Array.Resize(ref _buffer, checked(_buffer.Length * 2));
        else if (_start > 0)
        {
            _buffer.AsSpan(_start, kept).CopyTo(_buffer);
            _start = 0;
            _end = kept;
        }
        var read = await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
        if (read == 0)
            throw new EndOfStreamException("The COPY stream ended inside a row");
        _end += read;
    }
}
