namespace Rosetta.Core.Changes;

public enum ChangeKind : byte
{
    Insert,
    Update,
    Delete,

    /// <summary>One entry per truncated table; those of one statement follow each other and all but the last carry
    /// <see cref="ChangeFlags.TruncateContinues"/>.</summary>
    Truncate,

    /// <summary>A filter took the change out; it has no tuples. It keeps its place, so that ordinals stay what they were in the source's stream.</summary>
    Filtered,
}

[Flags]
public enum ChangeFlags : byte
{
    None = 0,

    /// <summary>The old tuple holds only the replica identity's columns (pgoutput 'K'); the others are null in it.</summary>
    OldIsKey = 1,

    /// <summary>The old tuple is the whole row (pgoutput 'O', REPLICA IDENTITY FULL).</summary>
    OldIsFull = 2,

    TruncateCascade = 4,
    TruncateRestartIdentity = 8,
    TruncateContinues = 16,

    /// <summary>
    /// A filter cannot tell whether the destination has the row: an update may bring it in (then it holds all of the row, or nothing can be done), a
    /// delete may find nothing. Neither is a divergence.
    /// </summary>
    MayBeAbsent = 32,

    /// <summary>An update by which an insert of the source arrives: counted as one. Together with <see cref="CountsAsDelete"/>: not counted.</summary>
    CountsAsInsert = 64,

    /// <summary>An update by which a delete of the source arrives: counted as one.</summary>
    CountsAsDelete = 128,
}

/// <summary>An entry of a batch's index. Tuples are offsets into <see cref="ChangeBatch.Bytes"/>, in pgoutput's TupleData form.</summary>
/// <param name="Relation">Index into <see cref="ChangeBatch.Relations"/>.</param>
/// <param name="Old">Offset of the old tuple, -1 when there is none.</param>
/// <param name="New">Offset of the new tuple, -1 when there is none.</param>
/// <param name="End">Offset just after this change's last tuple.</param>
public readonly record struct Change(ChangeKind Kind, ChangeFlags Flags, int Relation, int Old, int New, int End)
{
    public bool HasOld => Old >= 0;

    public bool HasNew => New >= 0;
}
