using System.Buffers.Binary;
using Rosetta.Core.Changes;

namespace Rosetta.Postgres.Destination.Fold;

/// <summary>Reading keys and column sets off tuples, and merging tuples, in pgoutput's TupleData form throughout.</summary>
static class Tuples
{
    /// <summary>Bytes a value takes in a key besides its own: kind and length.</summary>
    const int ValueHead = 5;

    /// <summary>
    /// Writes the key: for each key column its kind and, with a length, its bytes. Where the tuple has an unchanged value the one of
    /// <paramref name="fallback"/> counts (a key stored out of line comes in the old tuple).
    /// </summary>
    /// <param name="key">Columns of the relation, ascending.</param>
    /// <returns>The length, or -1 when a key column has no value in either tuple.</returns>
    public static int WriteKey(ReadOnlySpan<byte> bytes, int offset, int fallback, ReadOnlySpan<int> key, Span<byte> target)
    {
        var reader = new TupleReader(bytes, offset);
        var length = 0;
        foreach (var column in key)
        {
            while (reader.Column < column)
                if (!reader.Read())
                    return -1;
            var kind = reader.Kind;
            var value = reader.Value;
            if (kind == ValueKind.Unchanged)
            {
                if (fallback < 0)
                    return -1;
                var other = new TupleReader(bytes, fallback);
                while (other.Column < column)
                    if (!other.Read())
                        return -1;
                kind = other.Kind;
                value = other.Value;
            }

            if (kind is ValueKind.Null or ValueKind.Unchanged)
                return -1;
            target[length] = (byte)kind;
            BinaryPrimitives.WriteInt32BigEndian(target[(length + 1)..], value.Length);
            value.CopyTo(target[(length + ValueHead)..]);
            length += ValueHead + value.Length;
        }

        return length;
    }

    /// <summary>Marks the columns that have a value or null in the tuple; true when all have.</summary>
    public static bool ReadShape(ReadOnlySpan<byte> bytes, int offset, Span<ulong> present)
    {
        present.Clear();
        var full = true;
        var reader = new TupleReader(bytes, offset);
        while (reader.Read())
        {
            if (reader.Kind == ValueKind.Unchanged)
                full = false;
            else
                present[reader.Column / 64] |= 1UL << (reader.Column % 64);
        }

        return full;
    }

    /// <summary>
    /// Appends to <paramref name="arena"/> the newer tuple, with the older one's values where the newer has an unchanged one. With
    /// <paramref name="only"/>, the older tuple counts in these columns only (an old tuple that holds just the replica identity).
    /// </summary>
    /// <returns>Where the merged tuple begins, and its length.</returns>
    public static (int Offset, int Length) Merge(
        ByteArena arena, ReadOnlySpan<byte> newerBytes, RowRef newer, ReadOnlySpan<byte> olderBytes, RowRef older, ReadOnlySpan<int> only = default)
    {
        // The spans may lie in the arena itself: room first, then they are taken anew by offset.
        var bound = newer.Length + older.Length + 2;
        var target = arena.Reserve(bound);
        if (newer.Batch == RowRef.Merged)
            newerBytes = arena.Slice(0, arena.Length);
        if (older.Batch == RowRef.Merged)
            olderBytes = arena.Slice(0, arena.Length);
        var fresh = new TupleReader(newerBytes, newer.Offset);
        var old = new TupleReader(olderBytes, older.Offset);
        BinaryPrimitives.WriteInt16BigEndian(target, (short)fresh.Columns);
        var length = 2;
        while (fresh.Read())
        {
            old.Read();
            var kind = fresh.Kind;
            var value = fresh.Value;
            if (kind == ValueKind.Unchanged && (only.IsEmpty || only.Contains(fresh.Column)))
            {
                kind = old.Kind;
                value = old.Value;
            }

            target[length++] = (byte)kind;
            if (kind is not (ValueKind.Text or ValueKind.Binary))
                continue;
            BinaryPrimitives.WriteInt32BigEndian(target[length..], value.Length);
            value.CopyTo(target[(length + 4)..]);
            length += 4 + value.Length;
        }

        var offset = arena.Length;
        arena.Advance(length);
        return (offset, length);
    }
}
