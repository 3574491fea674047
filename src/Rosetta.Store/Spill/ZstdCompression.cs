using ZstdSharp;

namespace Rosetta.Store.Spill;

/// <summary>Zstandard at its fastest.</summary>
public sealed class ZstdCompression : IPartCompression
{
    const int Level = 1;

    public string Method => "ZSTD";

    public int Bound(int rawBytes) => Compressor.GetCompressBound(rawBytes);

    public int Compress(ReadOnlySpan<byte> raw, Span<byte> stored)
    {
        using var compressor = new Compressor(Level);
        return compressor.Wrap(raw, stored);
    }

    public byte[] Decompress(ReadOnlySpan<byte> stored, int rawBytes)
    {
        try
        {
            if (Decompressor.GetDecompressedSize(stored) != (ulong)rawBytes) throw new FormatException("it is of another length");
            var raw = GC.AllocateUninitializedArray<byte>(rawBytes);
            using var decompressor = new Decompressor();
            decompressor.Unwrap(stored, raw);
            return raw;
        }
        catch (ZstdException e)
        {
            throw new FormatException(e.Message, e);
        }
    }
}
