using System.Buffers;
using Rosetta.Core.Changes;
using Rosetta.Core.Positions;

namespace Rosetta.Core.Spill;

/// <summary>Cuts off a transaction that goes on in a part that never came.</summary>
public static class PayloadTail
{
    /// <summary>The payload up to <paramref name="through"/>.</summary>
    /// <param name="payload">Of a part that ends inside a transaction and has an end of another one, or progress, before that.</param>
    /// <exception cref="FormatException">It is of another version, or damaged.</exception>
    public static byte[] Cut(ReadOnlySpan<byte> payload, Lsn through)
    {
        var batches = BatchCodec.Decode(payload);
        var output = new PooledBytes(payload.Length);
        try
        {
            var last = batches.Count - 1;
            while (last >= 0 && !HasEnd(batches[last]))
                last--;
            for (var i = 0; i < last; i++)
                BatchCodec.Encode(batches[i], ref output);
            var end = WithoutOpen(last < 0 ? null : batches[last], through);
            BatchCodec.Encode(end, ref output);
            end.Release();
            return output.Array.AsSpan(0, output.Length).ToArray();
        }
        finally
        {
            foreach (var batch in batches)
                batch.Release();
            ArrayPool<byte>.Shared.Return(output.Array);
        }
    }

    static bool HasEnd(ChangeBatch batch) => batch.IsEmpty || batch.Transactions[0].EndsHere;

    /// <summary>A batch of its own; of what is open from its start only the progress is left.</summary>
    static ChangeBatch WithoutOpen(ChangeBatch? batch, Lsn through)
    {
        var spans = batch is null ? [] : batch.IsOpenAtEnd ? batch.Transactions[..^1] : batch.Transactions;
        var count = spans.IsEmpty ? 0 : spans[^1].First + spans[^1].Count;
        var length = 0;
        for (var i = 0; i < count; i++)
            length = Math.Max(length, batch!.Changes[i].End);
        var transactions = ArrayPool<TransactionSpan>.Shared.Rent(Math.Max(1, spans.Length));
        var changes = ArrayPool<Change>.Shared.Rent(Math.Max(1, count));
        var bytes = ArrayPool<byte>.Shared.Rent(Math.Max(1, length));
        spans.CopyTo(transactions);
        batch?.Changes[..count].CopyTo(changes);
        batch?.Bytes[..length].CopyTo(bytes);
        return new ChangeBatch(bytes, length, changes, count, transactions, spans.Length, batch?.Relations ?? [], through);
    }
}
