using System.Globalization;

namespace Rosetta.Core.Chunks;

/// <summary>
/// Which transactions a snapshot of the source shows: what <c>pg_current_snapshot()</c> answers, <c>xmin:xmax:xip_list</c>. A transaction is shown when it
/// had committed, or rolled back, before the snapshot was taken; a commit is in the WAL before it is shown.
/// </summary>
public sealed class TransactionSnapshot
{
    readonly ulong[] _inProgress;

    TransactionSnapshot(ulong xmin, ulong xmax, ulong[] inProgress)
    {
        XMin = xmin;
        XMax = xmax;
        _inProgress = inProgress;
    }

    /// <summary>Every transaction with a lower id is shown, or was rolled back.</summary>
    public ulong XMin { get; }

    /// <summary>No transaction with this id or a higher one is shown.</summary>
    public ulong XMax { get; }

    /// <summary>Ids below <see cref="XMax"/> that are not shown, ascending.</summary>
    public IReadOnlyList<ulong> InProgress => _inProgress;

    /// <exception cref="FormatException">It is not a snapshot's text form.</exception>
    public static TransactionSnapshot Parse(string text)
    {
        var parts = text.Split(':');
        if (parts.Length != 3 || !TryParse(parts[0], out var xmin) || !TryParse(parts[1], out var xmax))
            throw new FormatException($"'{text}' is not a snapshot (xmin:xmax:xip_list).");
        var list = parts[2].Length == 0 ? [] : parts[2].Split(',');
        var inProgress = new ulong[list.Length];
        for (var i = 0; i < list.Length; i++)
        {
            if (!TryParse(list[i], out inProgress[i]))
                throw new FormatException($"'{text}' is not a snapshot (xmin:xmax:xip_list).");
        }

        Array.Sort(inProgress);
        return new TransactionSnapshot(xmin, xmax, inProgress);
    }

    /// <param name="xid">As the replication stream names it: the lower 32 bits. It is the one within 2^31 of the snapshot that is meant.</param>
    public bool Shows(uint xid)
    {
        var full = Widen(xid);
        return full < XMin || (full < XMax && Array.BinarySearch(_inProgress, full) < 0);
    }

    /// <summary>The 64 bit id nearest to the snapshot whose lower half is <paramref name="xid"/>.</summary>
    public ulong Widen(uint xid) => XMax + (ulong)(long)(int)(xid - (uint)XMax);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{XMin}:{XMax}:{string.Join(',', _inProgress)}");

    static bool TryParse(string text, out ulong id) => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out id);
}
