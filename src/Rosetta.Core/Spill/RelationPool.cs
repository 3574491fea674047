using Rosetta.Core.Changes;

namespace Rosetta.Core.Spill;

/// <summary>
/// One object per form of a relation. Whoever plans by relation does it by the object: with a new one in each batch that is read back it would plan for each, and remember
/// all. Bounded: when it is full it begins anew. Thread-safe.
/// </summary>
sealed class RelationPool
{
    readonly Lock _gate = new();
    readonly int _capacity;
    readonly Dictionary<byte[], Relation> _known = new(ByteKeys.Comparer);
    readonly Dictionary<byte[], Relation>.AlternateLookup<ReadOnlySpan<byte>> _byBytes;

    public RelationPool(int capacity)
    {
        _capacity = capacity;
        _byBytes = _known.GetAlternateLookup<ReadOnlySpan<byte>>();
    }

    public int Count
    {
        get
        {
            lock (_gate)
                return _known.Count;
        }
    }

    public delegate Relation Reading(ReadOnlySpan<byte> bytes);

    public Relation Get(ReadOnlySpan<byte> bytes, Reading read)
    {
        lock (_gate)
        {
            if (_byBytes.TryGetValue(bytes, out var known))
                return known;
            var relation = read(bytes);
            if (_known.Count == _capacity)
                _known.Clear();
            return _byBytes[bytes] = relation;
        }
    }
}
