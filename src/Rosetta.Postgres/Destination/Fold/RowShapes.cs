namespace Rosetta.Postgres.Destination.Fold;

/// <summary>
/// The sets of columns that rows of one relation came with. Set 0 is all of them; each other set (unchanged TOAST values are missing from it) gets
/// the next number. There are few, so a list is searched. A set is a bit per column of the relation, lowest first.
/// </summary>
sealed class RowShapes
{
    public const int Full = 0;

    readonly int _columns;
    readonly List<ulong[]> _shapes = [];

    public RowShapes(int columns)
    {
        _columns = columns;
        var full = new ulong[Words];
        for (var i = 0; i < columns; i++)
            full[i / 64] |= 1UL << (i % 64);
        _shapes.Add(full);
    }

    /// <summary>Length of a set in words.</summary>
    public int Words => (_columns + 63) / 64;

    public int Count => _shapes.Count;

    public int NumberOf(ReadOnlySpan<ulong> present)
    {
        for (var i = 0; i < _shapes.Count; i++)
            if (present.SequenceEqual(_shapes[i]))
                return i;
        _shapes.Add(present.ToArray());
        return _shapes.Count - 1;
    }

    public bool Has(int shape, int column) => (_shapes[shape][column / 64] & (1UL << (column % 64))) != 0;
}
