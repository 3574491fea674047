using System.Buffers.Binary;
using Rosetta.Core.Changes;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Statements;

/// <summary>Parameters of row statements, straight from tuples.</summary>
static class BindRows
{
    /// <summary>Writes the columns in <paramref name="columns"/> that the tuple has a value for, in order.</summary>
    /// <param name="withKeys">Key columns too.</param>
    public static void WriteRow(PgBindWriter bind, ReadOnlySpan<byte> bytes, int offset, BoundColumn?[] columns, bool withKeys = true)
    {
        var reader = new TupleReader(bytes, offset);
        while (reader.Read())
        {
            if (columns[reader.Column] is not { } column || reader.Kind == ValueKind.Unchanged || (!withKeys && column.IsKey))
                continue;
            WriteValue(bind, column, reader.Kind, reader.Value);
        }
    }

    /// <summary>Writes a key as <see cref="Fold.Tuples.WriteKey"/> makes it.</summary>
    public static void WriteKey(PgBindWriter bind, ReadOnlySpan<byte> key)
    {
        while (key.Length > 0)
        {
            var size = BinaryPrimitives.ReadInt32BigEndian(key[1..]);
            var value = key.Slice(5, size);
            if (key[0] == (byte)ValueKind.Text)
                bind.WriteText(value);
            else
                bind.WriteBinary(value);
            key = key[(5 + size)..];
        }
    }

    static void WriteValue(PgBindWriter bind, BoundColumn column, ValueKind kind, ReadOnlySpan<byte> value)
    {
        if (kind == ValueKind.Null)
        {
            bind.WriteNull();
            return;
        }

        CopyRows.RequireForm(column, kind);
        if (kind == ValueKind.Text)
            bind.WriteText(value);
        else
            bind.WriteBinary(value);
    }
}
