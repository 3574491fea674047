using System.Buffers.Binary;
using Rosetta.Postgres.Destination.Fold;

namespace Rosetta.Postgres.Destination.Apply;

/// <summary>Keys chosen from a fold, in the order of their values when they are many.</summary>
sealed class FoldSelection
{
    /// <summary>From so many rows on, keys in order save more in the server's index and heap than sorting them costs.</summary>
    const int SortFrom = 256;

    int[] _numbers = [];
    ulong[] _prefixes = [];

    public delegate bool Filter(in FoldedKey key);

    /// <summary>The chosen keys' numbers in their fold, until the next choice.</summary>
    public ReadOnlySpan<int> Numbers => _numbers.AsSpan(0, Count);

    public int Count { get; private set; }

    /// <returns>How many there are.</returns>
    public int Choose(TableFold fold, Filter filter)
    {
        var keys = fold.Keys;
        if (_numbers.Length < keys.Length)
        {
            _numbers = new int[Math.Max(keys.Length, 1024)];
            _prefixes = new ulong[_numbers.Length];
        }

        Count = 0;
        for (var i = 0; i < keys.Length; i++)
        {
            if (!filter(keys[i]))
                continue;
            _prefixes[Count] = Prefix(fold.KeyOf(i));
            _numbers[Count++] = i;
        }

        if (Count >= SortFrom)
            Array.Sort(_prefixes, _numbers, 0, Count);
        return Count;
    }

    // The value's first eight bytes: its order is the key's for most types, and nothing depends on that.
    static ulong Prefix(ReadOnlySpan<byte> key)
    {
        const int head = 5;
        if (key.Length >= head + sizeof(ulong))
            return BinaryPrimitives.ReadUInt64BigEndian(key[head..]);
        ulong prefix = 0;
        foreach (var b in key[head..])
            prefix = (prefix << 8) | b;
        return prefix;
    }
}
