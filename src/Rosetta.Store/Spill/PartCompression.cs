using System.Buffers;
using ZstdSharp;

namespace Rosetta.Store.Spill;

/// <summary>How the payload of a part is made small: Zstandard at its fastest; or not at all, when it would not get smaller.</summary>
static class PartCompression
{
    public const string None = "NONE";
    public const string Zstd = "ZSTD";

    const int Level = 1;

    /// <summary>The payload as it is stored. The array is rented, null when the payload stays as it is.</summary>
    public static (string Method, ReadOnlyMemory<byte> Stored, byte[]? Rented) Compress(ReadOnlyMemory<byte> payload)
    {
        var rented = ArrayPool<byte>.Shared.Rent(Compressor.GetCompressBound(payload.Length));
        using var compressor = new Compressor(Level);
        var length = compressor.Wrap(payload.Span, rented);
        if (length < payload.Length)
            return (Zstd, rented.AsMemory(0, length), rented);
        ArrayPool<byte>.Shared.Return(rented);
        return (None, payload, null);
    }

    /// <returns>Null: the method is not known here.</returns>
    /// <exception cref="FormatException">It is damaged.</exception>
    public static byte[]? Decompress(string method, ReadOnlySpan<byte> stored, int rawBytes)
    {
        switch (method)
        {
            case None:
                return stored.Length == rawBytes ? stored.ToArray() : throw new FormatException("it is of another length");
            case Zstd:
                return Decompress(stored, rawBytes);
            default:
                return null;
        }
    }

    static byte[] Decompress(ReadOnlySpan<byte> stored, int rawBytes)
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
