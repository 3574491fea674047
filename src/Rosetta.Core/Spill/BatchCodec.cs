using Rosetta.Core.Changes;

namespace Rosetta.Core.Spill;

/// <summary>Batches as bytes that outlive the process and its version, and back.</summary>
public static class BatchCodec
{
    /// <summary>Adds a batch to what is gathered.</summary>
    public static void Encode(ChangeBatch batch, ref PooledBytes output) => throw new NotImplementedException();

    /// <summary>The batches of a part in their order, each held once for the caller.</summary>
    /// <exception cref="FormatException">It is of another version, or damaged.</exception>
    public static IReadOnlyList<ChangeBatch> Decode(ReadOnlySpan<byte> payload) => throw new NotImplementedException();
}
