using Rosetta.Core.Changes;

namespace Rosetta.Postgres.Destination.Parking;

/// <summary>The keys of a table behind which changes have to wait. Reading costs a look into a set; nothing parked, no barrier.</summary>
sealed class TableBarrier
{
    readonly HashSet<byte[]> _keys = new(ByteKeys.Comparer);
    readonly HashSet<byte[]>.AlternateLookup<ReadOnlySpan<byte>> _byBytes;

    public TableBarrier() => _byBytes = _keys.GetAlternateLookup<ReadOnlySpan<byte>>();

    /// <summary>All changes of the table wait: it has no key, one whose equal values may look different, or too many are parked.</summary>
    public bool IsWhole { get; set; }

    public int Keys => _keys.Count;

    /// <param name="key">In the form of <see cref="Fold.Tuples.WriteKey"/>.</param>
    public bool Holds(ReadOnlySpan<byte> key) => _byBytes.Contains(key);

    /// <summary>Null: it is there already.</summary>
    public byte[]? TryAdd(ReadOnlySpan<byte> key)
    {
        if (_byBytes.Contains(key))
            return null;
        var own = key.ToArray();
        _keys.Add(own);
        return own;
    }

    public void Remove(byte[] key) => _keys.Remove(key);
}
