using System.Buffers;
using System.Buffers.Binary;
using Rosetta.Core.Changes;
using Rosetta.Postgres.Destination.Plans;

namespace Rosetta.Postgres.Destination.Statements;

/// <summary>
/// COPY's binary form (PostgreSQL manual, "COPY", Binary Format) made of pgoutput's tuples: the values' bytes are the same, only the kind bytes
/// between them go.
/// </summary>
static class CopyRows
{
    // "PGCOPY\n\377\r\n\0", flags, length of the header's extension.
    static ReadOnlySpan<byte> Header => [0x50, 0x47, 0x43, 0x4F, 0x50, 0x59, 0x0A, 0xFF, 0x0D, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    public static void WriteHeader(IBufferWriter<byte> writer) => writer.Write(Header);

    public static void WriteTrailer(IBufferWriter<byte> writer)
    {
        BinaryPrimitives.WriteInt16BigEndian(writer.GetSpan(2), -1);
        writer.Advance(2);
    }

    /// <summary>Writes one row of the columns in <paramref name="columns"/> that the tuple has a value for.</summary>
    /// <param name="columns">By position in the tuple; null for one that is left out.</param>
    /// <param name="count">How many columns are written.</param>
    /// <param name="length">The tuple's length, or more.</param>
    /// <param name="run">Of a row for a stage of numbered rows, its last column; 0 for others.</param>
    public static void WriteRow(IBufferWriter<byte> writer, ReadOnlySpan<byte> bytes, int offset, int length, BoundColumn?[] columns, int count, int run = 0)
    {
        // A null takes one byte in the tuple and four here.
        var target = writer.GetSpan(length + (4 * columns.Length) + 2 + NumberLength);
        BinaryPrimitives.WriteInt16BigEndian(target, (short)(run == 0 ? count : count + 1));
        var written = 2;
        var reader = new TupleReader(bytes, offset);
        while (reader.Read())
        {
            if (columns[reader.Column] is not { } column || reader.Kind == ValueKind.Unchanged)
                continue;
            if (reader.Kind == ValueKind.Null)
            {
                BinaryPrimitives.WriteInt32BigEndian(target[written..], -1);
                written += 4;
                continue;
            }

            RequireForm(column, reader.Kind);
            var value = reader.Value;
            BinaryPrimitives.WriteInt32BigEndian(target[written..], value.Length);
            value.CopyTo(target[(written + 4)..]);
            written += 4 + value.Length;
        }

        writer.Advance(written + WriteNumber(target[written..], run));
    }

    /// <summary>Writes a row of key values, from a key as <see cref="Fold.Tuples.WriteKey"/> makes it.</summary>
    public static void WriteKey(IBufferWriter<byte> writer, ReadOnlySpan<byte> key, int count, int run = 0)
    {
        var target = writer.GetSpan(key.Length + 2 + NumberLength);
        BinaryPrimitives.WriteInt16BigEndian(target, (short)(run == 0 ? count : count + 1));
        var written = 2;
        while (key.Length > 0)
        {
            var size = BinaryPrimitives.ReadInt32BigEndian(key[1..]) + 4;
            key.Slice(1, size).CopyTo(target[written..]);
            written += size;
            key = key[(1 + size)..];
        }

        writer.Advance(written + WriteNumber(target[written..], run));
    }

    const int NumberLength = 8;

    static int WriteNumber(Span<byte> target, int run)
    {
        if (run == 0)
            return 0;
        BinaryPrimitives.WriteInt32BigEndian(target, sizeof(int));
        BinaryPrimitives.WriteInt32BigEndian(target[sizeof(int)..], run);
        return NumberLength;
    }

    /// <summary>Bytes in text form would be misread as binary, and the other way round.</summary>
    public static void RequireForm(BoundColumn column, ValueKind kind)
    {
        if (column.IsText != (kind == ValueKind.Text))
            throw new InvalidOperationException($"Column {column.Target.Name} came in another form ({kind}) than its earlier values.");
    }
}
