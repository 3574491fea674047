using System.Buffers.Binary;
using System.Text;
using Rosetta.Core.Changes;

namespace Rosetta.Core.DeadLetters;

/// <summary>
/// A change on its own, with the shape of its tuples: what a payload holds. Form: a version (1), kind, flags, the relation, and the tuples as they came in the
/// stream; numbers big-endian, texts UTF-8 behind their length.
/// </summary>
public sealed record ParkedChange(Relation Relation, ChangeKind Kind, ChangeFlags Flags, ReadOnlyMemory<byte> Old, ReadOnlyMemory<byte> New)
{
    const byte Version = 1;

    /// <summary>A name's length, type, modifier and the mark of the key.</summary>
    const int LeastColumnLength = 13;

    /// <param name="bytes">The batch's, which the change points into.</param>
    public static byte[] Encode(Relation relation, ReadOnlySpan<byte> bytes, in Change change)
    {
        var old = change.HasOld ? bytes[change.Old..(change.HasNew ? change.New : change.End)] : default;
        var fresh = change.HasNew ? bytes[change.New..change.End] : default;
        return Encode(relation, change.Kind, change.Flags, change.HasOld, old, change.HasNew, fresh);
    }

    /// <summary>As a payload.</summary>
    public byte[] Encode() => Encode(Relation, Kind, Flags, !Old.IsEmpty, Old.Span, !New.IsEmpty, New.Span);

    static byte[] Encode(Relation relation, ChangeKind kind, ChangeFlags flags, bool hasOld, ReadOnlySpan<byte> old, bool hasNew, ReadOnlySpan<byte> fresh)
    {
        var output = new PooledBytes(64 + old.Length + fresh.Length + (32 * relation.Columns.Count));
        try
        {
            output.Write([Version, (byte)kind, (byte)flags, (byte)relation.Identity]);
            WriteInt32(ref output, (int)relation.Id);
            WriteText(ref output, relation.Schema);
            WriteText(ref output, relation.Name);
            WriteInt32(ref output, relation.Columns.Count);
            foreach (var column in relation.Columns)
            {
                WriteText(ref output, column.Name);
                WriteInt32(ref output, (int)column.TypeOid);
                WriteInt32(ref output, column.TypeModifier);
                output.Write([column.IsKey ? (byte)1 : (byte)0]);
            }

            WriteTuple(ref output, hasOld, old);
            WriteTuple(ref output, hasNew, fresh);
            return output.Array.AsSpan(0, output.Length).ToArray();
        }
        finally
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(output.Array);
        }
    }

    /// <exception cref="FormatException">It is of another version, or damaged.</exception>
    public static ParkedChange Decode(ReadOnlyMemory<byte> payload)
    {
        var reader = new Reader(payload);
        if (reader.Byte() is var version && version != Version)
            throw new FormatException($"A parked change of version {version} is not known here: this node is older than the one that wrote it.");
        var (kind, flags, identity) = ((ChangeKind)reader.Byte(), (ChangeFlags)reader.Byte(), (ReplicaIdentity)reader.Byte());
        if (!Enum.IsDefined(kind) || !Enum.IsDefined(identity))
            throw new FormatException("A parked change is damaged: its kind is none.");
        var (id, schema, name) = ((uint)reader.Int32(), reader.Text(), reader.Text());
        var columns = new RelationColumn[reader.Count(LeastColumnLength)];
        for (var i = 0; i < columns.Length; i++)
            columns[i] = new RelationColumn(reader.Text(), (uint)reader.Int32(), reader.Int32(), reader.Byte() != 0);
        var change = new ParkedChange(new Relation(id, schema, name, identity, columns), kind, flags, reader.Tuple(), reader.Tuple());
        return reader.IsAtEnd ? change : throw new FormatException("A parked change is damaged: bytes follow its end.");
    }

    static void WriteInt32(ref PooledBytes output, int value)
    {
        Span<byte> four = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(four, value);
        output.Write(four);
    }

    static void WriteText(ref PooledBytes output, string text)
    {
        WriteInt32(ref output, Encoding.UTF8.GetByteCount(text));
        output.Write(Encoding.UTF8.GetBytes(text));
    }

    static void WriteTuple(ref PooledBytes output, bool isThere, ReadOnlySpan<byte> tuple)
    {
        WriteInt32(ref output, isThere ? tuple.Length : -1);
        output.Write(tuple);
    }

    struct Reader(ReadOnlyMemory<byte> payload)
    {
        int _at;

        public byte Byte() => Take(1).Span[0];

        public int Int32() => BinaryPrimitives.ReadInt32BigEndian(Take(4).Span);

        public string Text() => Encoding.UTF8.GetString(Take(Int32()).Span);

        public ReadOnlyMemory<byte> Tuple() => Int32() is var length and not -1 ? Take(length) : default;

        /// <summary>Of things that take at least so many bytes each: a damaged number may not ask for more memory than the payload could fill.</summary>
        public int Count(int least) => Int32() is var count && count >= 0 && count <= (payload.Length - _at) / least
            ? count
            : throw new FormatException("A parked change is damaged: it ends too early.");

        public readonly bool IsAtEnd => _at == payload.Length;

        ReadOnlyMemory<byte> Take(int length)
        {
            if (length < 0 || length > payload.Length - _at)
                throw new FormatException("A parked change is damaged: it ends too early.");
            _at += length;
            return payload.Slice(_at - length, length);
        }
    }
}
