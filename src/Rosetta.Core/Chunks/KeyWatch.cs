namespace Rosetta.Core.Chunks;

/// <summary>Told each key that is not shown by a chunk's snapshot.</summary>
/// <param name="isPartial">The change left out values that it did not change.</param>
public delegate void ChangedKey(ReadOnlySpan<byte> key, bool isPartial);

/// <summary>
/// The keys of a table that a lane has changed lately, with the transactions that did: what a chunk read meanwhile must leave alone. Bounded in bytes: past
/// the bound it forgets, and chunks that would have needed what is forgotten are read again. Thread-safe.
/// </summary>
public sealed class KeyWatch(int capacity = KeyWatch.DefaultCapacity)
{
    public const int DefaultCapacity = 32 << 20;

    readonly Lock _gate = new();
    readonly List<Entry> _entries = [];
    byte[] _bytes = new byte[4096];
    int _length;
    long _first;
    long _lostBefore;
    long _reshapedAt = -1;
    (long At, uint Xid) _truncated = (-1, 0);

    readonly record struct Entry(uint Xid, int Offset, int Length, bool IsPartial);

    /// <summary>Changes noted so far; a mark for what follows.</summary>
    public long Mark
    {
        get
        {
            lock (_gate)
                return _first + _entries.Count;
        }
    }

    /// <summary>A row of this key was inserted, updated or deleted, or its key changed from or to this one.</summary>
    /// <param name="key">Its values; opaque here.</param>
    /// <param name="isPartial">Values that did not change were left out, and are what the row had before.</param>
    public void Changed(uint xid, ReadOnlySpan<byte> key, bool isPartial)
    {
        lock (_gate)
        {
            if (_length + key.Length > capacity)
                Lose();
            if (_length + key.Length > _bytes.Length)
                Array.Resize(ref _bytes, (int)Math.Min(Array.MaxLength, Math.Max((long)_bytes.Length * 2, _length + (long)key.Length)));
            key.CopyTo(_bytes.AsSpan(_length));
            _entries.Add(new Entry(xid, _length, key.Length, isPartial));
            _length += key.Length;
        }
    }

    /// <summary>All rows went.</summary>
    public void Truncated(uint xid)
    {
        lock (_gate)
            _truncated = (_first + _entries.Count, xid);
    }

    /// <summary>The table came in another shape.</summary>
    public void Reshaped()
    {
        lock (_gate)
            _reshapedAt = _first + _entries.Count;
    }

    /// <summary>Nobody needs what came before the mark any more.</summary>
    public void Forget(long mark)
    {
        lock (_gate)
        {
            var gone = (int)Math.Min(mark - _first, _entries.Count);
            // What is left moves to the front; not before that is the smaller part.
            if (gone * 2 < _entries.Count || gone <= 0)
                return;
            var from = gone < _entries.Count ? _entries[gone].Offset : _length;
            _bytes.AsSpan(from, _length - from).CopyTo(_bytes);
            _entries.RemoveRange(0, gone);
            for (var i = 0; i < _entries.Count; i++)
                _entries[i] = _entries[i] with { Offset = _entries[i].Offset - from };
            _first += gone;
            _length -= from;
        }
    }

    /// <summary>
    /// The keys that were changed since <paramref name="mark"/> by transactions the snapshot does not show. False: a chunk of that snapshot cannot be placed,
    /// because the table was truncated or reshaped meanwhile or too much was changed to remember it; it has to be read again.
    /// </summary>
    public bool TryRead(TransactionSnapshot snapshot, long mark, ChangedKey told)
    {
        lock (_gate)
        {
            if (mark < _lostBefore || _reshapedAt >= mark || (_truncated.At >= mark && !snapshot.Shows(_truncated.Xid)))
                return false;
            for (var i = (int)Math.Max(0, mark - _first); i < _entries.Count; i++)
            {
                var entry = _entries[i];
                if (!snapshot.Shows(entry.Xid))
                    told(_bytes.AsSpan(entry.Offset, entry.Length), entry.IsPartial);
            }

            return true;
        }
    }

    void Lose()
    {
        Clear();
        _lostBefore = _first;
    }

    void Clear()
    {
        _first += _entries.Count;
        _entries.Clear();
        _length = 0;
    }
}
