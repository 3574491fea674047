using System.Numerics;
using System.Runtime.InteropServices;

namespace Rosetta.Postgres.Destination.Fold;

/// <summary>
/// A hash index from keys (byte strings) to numbers, given from 0 on in order of arrival: open addressing with linear probing over keys that
/// lie in one arena, no object per key.
/// </summary>
sealed class KeyIndex : IDisposable
{
    readonly ByteArena _keys = new();
    int[] _slots = new int[64];
    Key[] _entries = new Key[32];

    public int Count { get; private set; }

    public ReadOnlySpan<byte> KeyOf(int number)
    {
        ref readonly var entry = ref _entries[number];
        return _keys.Slice(entry.Offset, entry.Length);
    }

    /// <summary>Room to write a key into, before <see cref="FindOrAdd(int, out bool)"/>.</summary>
    public Span<byte> Candidate(int size) => _keys.Reserve(size);

    /// <summary>The number of a key; -1 when it is not there.</summary>
    public int Find(ReadOnlySpan<byte> key) => _slots[SlotOf(key, Hash(key))] - 1;

    /// <summary>The same as <see cref="FindOrAdd(int, out bool)"/> of a key that lies elsewhere.</summary>
    public int FindOrAdd(ReadOnlySpan<byte> key, out bool added)
    {
        key.CopyTo(Candidate(key.Length));
        return FindOrAdd(key.Length, out added);
    }

    /// <summary>The number of the key that was written to <see cref="Candidate"/>; a new one is kept.</summary>
    public int FindOrAdd(int length, out bool added)
    {
        var key = _keys.Reserve(length)[..length];
        var hash = Hash(key);
        var slot = SlotOf(key, hash);
        added = _slots[slot] == 0;
        if (!added)
            return _slots[slot] - 1;
        if (Count == _entries.Length)
            Array.Resize(ref _entries, Count * 2);
        _entries[Count] = new Key(hash, _keys.Length, length);
        _keys.Advance(length);
        _slots[slot] = ++Count;
        if (Count * 2 > _slots.Length)
            Rehash();
        return Count - 1;
    }

    /// <summary>Where the key is, or would be.</summary>
    int SlotOf(ReadOnlySpan<byte> key, uint hash)
    {
        var mask = _slots.Length - 1;
        for (var slot = (int)hash & mask; ; slot = (slot + 1) & mask)
        {
            var number = _slots[slot] - 1;
            if (number < 0 || (_entries[number].Hash == hash && KeyOf(number).SequenceEqual(key)))
                return slot;
        }
    }

    public void Clear()
    {
        // A table that grew for one large group is not cleared for every small one that follows.
        if (_slots.Length > 4096 && Count * 16 < _slots.Length)
            _slots = new int[(int)Math.Max(64, BitOperations.RoundUpToPowerOf2((uint)Count * 2))];
        else
            Array.Clear(_slots);
        Count = 0;
        _keys.Clear();
    }

    public void Dispose() => _keys.Dispose();

    void Rehash()
    {
        _slots = new int[_slots.Length * 2];
        var mask = _slots.Length - 1;
        for (var i = 0; i < Count; i++)
        {
            var slot = (int)_entries[i].Hash & mask;
            while (_slots[slot] != 0)
                slot = (slot + 1) & mask;
            _slots[slot] = i + 1;
        }
    }

    static uint Hash(ReadOnlySpan<byte> key)
    {
        var hash = (ulong)key.Length * 0x9E3779B97F4A7C15;
        var words = MemoryMarshal.Cast<byte, ulong>(key);
        foreach (var word in words)
            hash = Mix(hash ^ word);
        ulong rest = 0;
        foreach (var b in key[(words.Length * sizeof(ulong))..])
            rest = (rest << 8) | b;
        hash = Mix(hash ^ rest);
        return (uint)(hash ^ (hash >> 32));
    }

    static ulong Mix(ulong value)
    {
        value *= 0xBF58476D1CE4E5B9;
        return value ^ (value >> 29);
    }

    readonly record struct Key(uint Hash, int Offset, int Length);
}
