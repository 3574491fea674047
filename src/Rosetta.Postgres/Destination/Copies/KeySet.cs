namespace Rosetta.Postgres.Destination.Copies;

/// <summary>Keys by their bytes, each with a number. Makes no object per key.</summary>
sealed class KeySet
{
    byte[] _bytes = new byte[1024];
    (int Hash, int Start, int Length, int Number)[] _keys = new (int, int, int, int)[64];
    int[] _slots = new int[128];
    int _length;

    public int Count { get; private set; }

    /// <summary>Of a key that is there already the first number stays, unless <paramref name="replaces"/>.</summary>
    public void Add(ReadOnlySpan<byte> key, int number, bool replaces = false)
    {
        var hash = HashOf(key);
        var slot = FindSlot(key, hash);
        if (_slots[slot] is > 0 and var known)
        {
            if (replaces)
                _keys[known - 1].Number = number;
            return;
        }

        if (_length + key.Length > _bytes.Length)
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _length + key.Length));
        if (Count == _keys.Length)
        {
            Array.Resize(ref _keys, _keys.Length * 2);
            Rehash(_keys.Length * 2);
            slot = FindSlot(key, hash);
        }

        key.CopyTo(_bytes.AsSpan(_length));
        _keys[Count] = (hash, _length, key.Length, number);
        _length += key.Length;
        _slots[slot] = ++Count;
    }

    /// <summary>The key's number; -1 when it is not there.</summary>
    public int Find(ReadOnlySpan<byte> key) => _slots[FindSlot(key, HashOf(key))] is > 0 and var known ? _keys[known - 1].Number : -1;

    int FindSlot(ReadOnlySpan<byte> key, int hash)
    {
        var mask = _slots.Length - 1;
        for (var slot = hash & mask; ; slot = (slot + 1) & mask)
        {
            if (_slots[slot] == 0)
                return slot;
            ref readonly var known = ref _keys[_slots[slot] - 1];
            if (known.Hash == hash && _bytes.AsSpan(known.Start, known.Length).SequenceEqual(key))
                return slot;
        }
    }

    void Rehash(int size)
    {
        _slots = new int[size];
        for (var i = 0; i < Count; i++)
        {
            var slot = _keys[i].Hash & (size - 1);
            while (_slots[slot] != 0)
                slot = (slot + 1) & (size - 1);
            _slots[slot] = i + 1;
        }
    }

    static int HashOf(ReadOnlySpan<byte> key)
    {
        var hash = new HashCode();
        hash.AddBytes(key);
        return hash.ToHashCode();
    }
}
