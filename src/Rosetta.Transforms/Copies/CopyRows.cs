using System.Buffers.Binary;

namespace Rosetta.Transforms.Copies;

/// <summary>COPY's binary form (PostgreSQL manual, "COPY", Binary Format).</summary>
static class CopyRows
{
    const int SignatureLength = 11;

    /// <summary>Signature, flags, length of the header's extension.</summary>
    public const int HeaderLength = SignatureLength + 8;

    public static ReadOnlySpan<byte> Header => [0x50, 0x47, 0x43, 0x4F, 0x50, 0x59, 0x0A, 0xFF, 0x0D, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    public static ReadOnlySpan<byte> Trailer => [0xFF, 0xFF];

    /// <summary>Where the row at <paramref name="offset"/> ends; -1 when it is not whole yet. The trailer ends at once.</summary>
    public static int EndOf(ReadOnlySpan<byte> bytes, int offset)
    {
        if (bytes.Length - offset < 2)
            return -1;
        var columns = BinaryPrimitives.ReadInt16BigEndian(bytes[offset..]);
        offset += 2;
        for (var i = 0; i < columns; i++)
        {
            if (bytes.Length - offset < 4)
                return -1;
            var length = BinaryPrimitives.ReadInt32BigEndian(bytes[offset..]);
            offset += 4 + Math.Max(0, length);
            if (offset > bytes.Length)
                return -1;
        }

        return offset;
    }

    public static bool IsTrailer(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadInt16BigEndian(bytes[offset..]) == -1;
}
