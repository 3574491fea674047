using System.Buffers.Binary;
using System.Numerics;

namespace Rosetta.Testing.Servers;

/// <summary>
/// Gives a copied data directory a system identifier of its own, as initdb would have: the first eight bytes of
/// global/pg_control (ControlFileData, whose last field is a CRC-32C of all before it) and the long header of each WAL segment's
/// first page (XLogLongPageHeaderData.xlp_sysid). Without it all servers would claim to be the same cluster.
/// </summary>
static class SystemIdentifier
{
    const int SmallestControlData = 200;
    const int LargestControlData = 512;
    const int WalIdentifierOffset = 24;
    const ushort WalLongHeader = 2;

    public static void Replace(string dataDirectory)
    {
        // As initdb builds it: seconds in the high half, the rest below.
        var identifier = ((ulong)DateTimeOffset.UtcNow.ToUnixTimeSeconds() << 32) | (uint)Random.Shared.Next();
        var path = Path.Combine(dataDirectory, "global", "pg_control");
        var control = File.ReadAllBytes(path);
        var size = FindChecksum(control)
            ?? throw new PostgresServerException($"{path}: no valid checksum found; this PostgreSQL version is not known to the test kit");
        BinaryPrimitives.WriteUInt64LittleEndian(control, identifier);
        BinaryPrimitives.WriteUInt32LittleEndian(control.AsSpan(size), Checksum(control.AsSpan(0, size)));
        Overwrite(path, 0, control);

        Span<byte> header = stackalloc byte[WalIdentifierOffset];
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, identifier);
        foreach (var segment in Directory.EnumerateFiles(Path.Combine(dataDirectory, "pg_wal")))
        {
            using (var stream = File.OpenRead(segment))
                stream.ReadExactly(header);
            if ((BinaryPrimitives.ReadUInt16LittleEndian(header[2..]) & WalLongHeader) != 0)
                Overwrite(segment, WalIdentifierOffset, bytes);
        }
    }

    // The structure's length differs between versions; the place where the checksum of everything before it stands tells it.
    static int? FindChecksum(byte[] control)
    {
        for (var offset = SmallestControlData; offset < LargestControlData; offset += 4)
        {
            if (BinaryPrimitives.ReadUInt32LittleEndian(control.AsSpan(offset)) == Checksum(control.AsSpan(0, offset)))
                return offset;
        }
        return null;
    }

    static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var b in bytes)
            crc = BitOperations.Crc32C(crc, b);
        return ~crc;
    }

    // In place, so that owner and mode stay.
    static void Overwrite(string path, long offset, ReadOnlySpan<byte> bytes)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Write);
        stream.Position = offset;
        stream.Write(bytes);
    }
}
