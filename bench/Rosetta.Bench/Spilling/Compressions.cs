using K4os.Compression.LZ4;
using Rosetta.Store.Spill;

namespace Rosetta.Bench.Spilling;

/// <summary>LZ4 at its fastest.</summary>
sealed class Lz4Compression : IPartCompression
{
    public string Method => "LZ4";

    public int Bound(int rawBytes) => LZ4Codec.MaximumOutputSize(rawBytes);

    public int Compress(ReadOnlySpan<byte> raw, Span<byte> stored) => LZ4Codec.Encode(raw, stored);

    public byte[] Decompress(ReadOnlySpan<byte> stored, int rawBytes)
    {
        var raw = GC.AllocateUninitializedArray<byte>(rawBytes);
        return LZ4Codec.Decode(stored, raw) == rawBytes ? raw : throw new FormatException("it is of another length");
    }
}

/// <summary>As it is.</summary>
sealed class Uncompressed : IPartCompression
{
    public string Method => "uncompressed";

    public int Bound(int rawBytes) => rawBytes;

    public int Compress(ReadOnlySpan<byte> raw, Span<byte> stored)
    {
        raw.CopyTo(stored);
        return raw.Length;
    }

    public byte[] Decompress(ReadOnlySpan<byte> stored, int rawBytes) => stored.ToArray();
}
