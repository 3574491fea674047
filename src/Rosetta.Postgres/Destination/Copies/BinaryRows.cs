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
    readonly int _lastColumn = LastOf(columns);
    readonly int[] _fields = new int[columns.Length];
    byte[] _copied = [];

    /// <summary>Where the row begins.</summary>
    public int Start { get; private set; }

    /// <summary>Where it ends, and the next one or the trailer begins.</summary>
    public int End { get; private set; } = HeaderOf(bytes);

    /// <summary>The key's values, each behind its length, as in the row. Valid until the next row.</summary>
    public ReadOnlySpan<byte> Key { get; private set; }

    /// <summary>False: there is none, and <see cref="End"/> is where the trailer begins.</summary>
    public bool Next()
    {
        var count = BinaryPrimitives.ReadInt16BigEndian(_bytes[End..]);
        if (count < 0)
            return false;
        Start = End;
        var at = End + 2;
        for (var column = 0; column < count; column++)
        {
            if (column <= _lastColumn && _columns.IndexOf(column) is >= 0 and var place)
                _fields[place] = at;
            at = AfterField(at);
        }

        End = at;
        if (_fields.Length > 0)
            Key = KeyOf();
        return true;
    }

    readonly int AfterField(int at) => at + 4 + Math.Max(0, BinaryPrimitives.ReadInt32BigEndian(_bytes[at..]));

    // Columns that follow one another are a key as they are.
    ReadOnlySpan<byte> KeyOf()
    {
        var end = AfterField(_fields[0]);
        var next = 1;
        while (next < _fields.Length && _fields[next] == end)
            end = AfterField(_fields[next++]);
        return next == _fields.Length ? _bytes[_fields[0]..end] : Copied();
    }

    ReadOnlySpan<byte> Copied()
    {
        var length = 0;
        foreach (var field in _fields)
        {
            var value = _bytes[field..AfterField(field)];
            if (length + value.Length > _copied.Length)
                Array.Resize(ref _copied, (length + value.Length) * 2);
            value.CopyTo(_copied.AsSpan(length));
            length += value.Length;
        }

        return _copied.AsSpan(0, length);
    }

    static int LastOf(ReadOnlySpan<int> columns)
    {
        var last = -1;
        foreach (var column in columns)
            last = Math.Max(last, column);
        return last;
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
