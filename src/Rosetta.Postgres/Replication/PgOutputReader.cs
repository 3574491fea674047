using System.Buffers.Binary;
using System.Text;

namespace Rosetta.Postgres.Replication;

/// <summary>Reads the fields of a pgoutput message in place.</summary>
ref struct PgOutputReader(ReadOnlySpan<byte> message)
{
    ReadOnlySpan<byte> _rest = message;

    /// <summary>What has not been read.</summary>
    public readonly ReadOnlySpan<byte> Rest => _rest;

    public byte Byte()
    {
        byte value = _rest[0];
        _rest = _rest[1..];
        return value;
    }

    public short Int16()
    {
        short value = BinaryPrimitives.ReadInt16BigEndian(_rest);
        _rest = _rest[2..];
        return value;
    }

    public int Int32()
    {
        int value = BinaryPrimitives.ReadInt32BigEndian(_rest);
        _rest = _rest[4..];
        return value;
    }

    public uint UInt32() => (uint)Int32();

    public long Int64()
    {
        long value = BinaryPrimitives.ReadInt64BigEndian(_rest);
        _rest = _rest[8..];
        return value;
    }

    public string Text()
    {
        int end = _rest.IndexOf((byte)0);
        string text = Encoding.UTF8.GetString(_rest[..end]);
        _rest = _rest[(end + 1)..];
        return text;
    }

    /// <summary>A tuple that others follow: its end is found by walking over its columns.</summary>
    public ReadOnlySpan<byte> Tuple()
    {
        ReadOnlySpan<byte> start = _rest;
        int offset = 2;
        for (int columns = BinaryPrimitives.ReadInt16BigEndian(start); columns > 0; columns--)
        {
            byte kind = start[offset++];
            if (kind is (byte)'b' or (byte)'t')
                offset += 4 + BinaryPrimitives.ReadInt32BigEndian(start[offset..]);
        }

        _rest = start[offset..];
        return start[..offset];
    }
}
