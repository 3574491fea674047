namespace Rosetta.Core.Chunks;

/// <summary>
/// The transactions a lane has applied lately. A chunk may be placed only when its snapshot shows every transaction that was applied before the chunk's table
/// began to be watched: of one that is in the WAL, and applied, but not shown yet (its commit waits for a standby), the watch knows no keys. Thread-safe.
/// </summary>
public sealed class StreamedTransactions
{
    const int Capacity = 1 << 16;

    readonly Lock _gate = new();
    readonly uint[] _ring = new uint[Capacity];
    uint _newestLost;
    uint[] _suspects = [];

    /// <summary>Applied so far; a mark for <see cref="AreShownBy"/>.</summary>
    public long Count { get; private set; }

    public void Add(uint xid)
    {
        lock (_gate)
        {
            var slot = (int)(Count % Capacity);
            if (Count >= Capacity && (Count == Capacity || IsNewer(_ring[slot], _newestLost)))
                _newestLost = _ring[slot];
            _ring[slot] = xid;
            Count++;
        }
    }

    /// <summary>
    /// Transactions that may have been applied before the first <see cref="Add"/>, by an earlier incarnation, and were not shown then. Others of that time
    /// either were shown or had not been streamed.
    /// </summary>
    public void Suspect(IEnumerable<uint> xids)
    {
        lock (_gate)
            _suspects = [.. xids];
    }

    /// <summary>Whether the snapshot shows all that were applied before <paramref name="mark"/>.</summary>
    public bool AreShownBy(TransactionSnapshot snapshot, long mark) => FindHidden(snapshot, mark) is null;

    /// <summary>One of those applied before <paramref name="mark"/> that the snapshot does not show; null when it shows all.</summary>
    public uint? FindHidden(TransactionSnapshot snapshot, long mark)
    {
        lock (_gate)
        {
            foreach (var xid in _suspects)
            {
                if (!snapshot.Shows(xid))
                    return xid;
            }

            // Ids are given in order, so an older one that is no longer remembered is below xmin unless it is one of the newest lost.
            if (Count > Capacity && snapshot.Widen(_newestLost) >= snapshot.XMin)
                return _newestLost;
            for (var i = Math.Max(0, Count - Capacity); i < mark; i++)
            {
                if (!snapshot.Shows(_ring[(int)(i % Capacity)]))
                    return _ring[(int)(i % Capacity)];
            }

            return null;
        }
    }

    static bool IsNewer(uint xid, uint other) => (int)(xid - other) > 0;
}
