namespace Rosetta.Core.Positions;

/// <summary>
/// The place of one change in the stream: the LSN of its transaction's commit record (pgoutput's Begin, <c>final_lsn</c>) and its ordinal
/// inside that transaction, counted from 0 in decoding order before any filter of ours. A row's own LSN is no position: several changes
/// share one.
/// </summary>
public readonly record struct Position(Lsn Commit, long Ordinal) : IComparable<Position>
{
    public int CompareTo(Position other)
    {
        var byCommit = Commit.CompareTo(other.Commit);
        return byCommit != 0 ? byCommit : Ordinal.CompareTo(other.Ordinal);
    }

    public static bool operator <(Position a, Position b) => a.CompareTo(b) < 0;

    public static bool operator >(Position a, Position b) => a.CompareTo(b) > 0;

    public static bool operator <=(Position a, Position b) => a.CompareTo(b) <= 0;

    public static bool operator >=(Position a, Position b) => a.CompareTo(b) >= 0;

    public override string ToString() => $"{Commit}#{Ordinal}";
}
