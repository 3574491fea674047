using Rosetta.Core.Changes;

namespace Rosetta.Postgres.Destination.Fold;

/// <summary>Where a tuple lies: in one of the group's batches, or in the fold's own arena when it was merged.</summary>
/// <param name="Batch">Number of the batch in the group; <see cref="Merged"/> for the arena.</param>
/// <param name="Offset">Where the tuple begins.</param>
/// <param name="Length">Its length, or more: a bound for buffers.</param>
readonly record struct RowRef(int Batch, int Offset, int Length)
{
    public const int Merged = -1;
}

/// <summary>The bytes that <see cref="RowRef"/>s point into. Valid during one apply call.</summary>
sealed class RowSource : IDisposable
{
    public IReadOnlyList<ChangeBatch> Batches { get; set; } = [];

    public ByteArena Merged { get; } = new();

    public ReadOnlySpan<byte> BytesOf(RowRef row) => row.Batch == RowRef.Merged ? Merged.Slice(0, Merged.Length) : Batches[row.Batch].Bytes;

    public TupleReader Read(RowRef row) => new(BytesOf(row), row.Offset);

    public void Dispose() => Merged.Dispose();
}
