namespace Rosetta.Store.Spill;

/// <summary>A way to make the payload of a part small. Thread-safe.</summary>
public interface IPartCompression
{
    /// <summary>Stands beside each part that was made small so.</summary>
    string Method { get; }

    /// <summary>Bytes that the result takes at most.</summary>
    int Bound(int rawBytes);

    /// <returns>Bytes written.</returns>
    int Compress(ReadOnlySpan<byte> raw, Span<byte> stored);

    /// <param name="rawBytes">What the payload had; nothing is allocated by it alone.</param>
    /// <exception cref="FormatException">It is damaged.</exception>
    byte[] Decompress(ReadOnlySpan<byte> stored, int rawBytes);
}
