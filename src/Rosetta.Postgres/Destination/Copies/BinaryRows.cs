using System.Buffers.Binary;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>Walks over rows in COPY's binary form (PostgreSQL manual, "COPY", Binary Format): where each begins and ends, and the bytes of some of its columns.</summary>
/// <param name="columns">Positions of the columns that make the key, in the key's order.</param>
ref struct BinaryRows(ReadOnlySpan<byte> bytes, ReadOnlySpan<int> columns)
{
    // Signature and flags; the length of the header's extension follows.
    const int ExtensionAt = 15;
    const int HeaderBytes = 19;

    readonly ReadOnlySpan<byte> _bytes = bytes;
    readonly ReadOnlySpan<int> _columns = columns;
    byte[] _key = new byte[64];
    int _keyLength;

    /// <summary>Where the row begins.</summary>
    public int Start { get; private set; }

    /// <summary>Where it ends, and the next one or the trailer begins.</summary>
    public int End { get; private set; } = HeaderOf(bytes);

    /// <summary>The key's values, each behind its length, as in the row.</summary>
    public readonly ReadOnlySpan<byte> Key => _key.AsSpan(0, _keyLength);

    /// <summary>False: there is none, and <see cref="End"/> is where the trailer begins.</summary>
    public bool Next()
    {
        var count = BinaryPrimitives.ReadInt16BigEndian(_bytes[End..]);
        if (count < 0)
            return false;
        Start = End;
        var at = End + 2;
        _keyLength = 0;
        Span<int> fields = stackalloc int[_columns.Length];
        for (var column = 0; column < count; column++)
        {
            var place = _columns.IndexOf(column);
            if (place >= 0)
                fields[place] = at;
            at += 4 + Math.Max(0, BinaryPrimitives.ReadInt32BigEndian(_bytes[at..]));
        }

        foreach (var field in fields)
        {
            var length = 4 + Math.Max(0, BinaryPrimitives.ReadInt32BigEndian(_bytes[field..]));
            if (_keyLength + length > _key.Length)
                Array.Resize(ref _key, (_keyLength + length) * 2);
            _bytes.Slice(field, length).CopyTo(_key.AsSpan(_keyLength));
            _keyLength += length;
        }

        End = at;
        return true;
    }

    /// <summary>The length of what comes before the first row.</summary>
    public static int HeaderOf(ReadOnlySpan<byte> bytes) => HeaderBytes + BinaryPrimitives.ReadInt32BigEndian(bytes[ExtensionAt..]);

    /// <summary>How many there are.</summary>
    public static long Count(ReadOnlySpan<byte> bytes)
    {
        var rows = new BinaryRows(bytes, []);
        var count = 0L;
        while (rows.Next())
            count++;
        return count;
    }
}
