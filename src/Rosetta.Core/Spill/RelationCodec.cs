using System.Buffers.Binary;
using System.Text;
using Rosetta.Core.Changes;

namespace Rosetta.Core.Spill;

/// <summary>Relations as bytes: each behind its length; numbers little-endian, texts UTF-8 behind their length.</summary>
static class RelationCodec
{
    /// <summary>A name's length, type, modifier and the mark of the key.</summary>
    const int LeastColumnLength = 13;

    static readonly RelationPool Pool = new(capacity: 4096);

    public static void Write(Relation relation, ref PooledBytes output)
    {
        var start = output.Length;
        output.Append(4);
        WriteInt32(ref output, (int)relation.Id);
        output.Append(1)[0] = (byte)relation.Identity;
        WriteText(ref output, relation.Schema);
        WriteText(ref output, relation.Name);
        WriteInt32(ref output, relation.Columns.Count);
        foreach (var column in relation.Columns)
        {
            WriteText(ref output, column.Name);
            WriteInt32(ref output, (int)column.TypeOid);
            WriteInt32(ref output, column.TypeModifier);
            output.Append(1)[0] = column.IsKey ? (byte)1 : (byte)0;
        }

        BinaryPrimitives.WriteInt32LittleEndian(output.Array.AsSpan(start), output.Length - start - 4);
    }

    /// <exception cref="FormatException">They are damaged.</exception>
    public static IReadOnlyList<Relation> Read(ReadOnlySpan<byte> input, int count)
    {
        // A length each: a damaged count may not ask for more memory than the input could fill.
        if (count > input.Length / 4)
            throw Damaged();
        var relations = new Relation[count];
        var reader = new Reader(input);
        for (var i = 0; i < count; i++)
            relations[i] = Pool.Get(reader.Take(reader.Int32()), ReadOne);
        return reader.IsAtEnd ? relations : throw Damaged();
    }

    static Relation ReadOne(ReadOnlySpan<byte> input)
    {
        var reader = new Reader(input);
        var (id, identity, schema, name) = ((uint)reader.Int32(), (ReplicaIdentity)reader.Byte(), reader.Text(), reader.Text());
        var count = reader.Int32();
        if (!Enum.IsDefined(identity) || count < 0 || count > input.Length / LeastColumnLength)
            throw Damaged();
        var columns = new RelationColumn[count];
        for (var i = 0; i < count; i++)
            columns[i] = new RelationColumn(reader.Text(), (uint)reader.Int32(), reader.Int32(), reader.Byte() != 0);
        return reader.IsAtEnd ? new Relation(id, schema, name, identity, columns) : throw Damaged();
    }

    static void WriteInt32(ref PooledBytes output, int value) => BinaryPrimitives.WriteInt32LittleEndian(output.Append(4), value);

    static void WriteText(ref PooledBytes output, string text)
    {
        var length = Encoding.UTF8.GetByteCount(text);
        WriteInt32(ref output, length);
        Encoding.UTF8.GetBytes(text, output.Append(length));
    }

    static FormatException Damaged() => new("A batch is damaged: its relations are none.");

    ref struct Reader(ReadOnlySpan<byte> input)
    {
        ReadOnlySpan<byte> _rest = input;

        public readonly bool IsAtEnd => _rest.IsEmpty;

        public byte Byte() => Take(1)[0];

        public int Int32() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));

        public string Text() => Encoding.UTF8.GetString(Take(Int32()));

        public ReadOnlySpan<byte> Take(int length)
        {
            if ((uint)length > (uint)_rest.Length)
                throw Damaged();
            var taken = _rest[..length];
            _rest = _rest[length..];
            return taken;
        }
    }
}
