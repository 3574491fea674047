using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Core.Tests.Changes;

namespace Rosetta.Core.Tests.Lanes;

/// <summary>A source's whole history, which can be streamed from any position, cut into batches at random each time.</summary>
sealed class ModelSource
{
    static readonly Relation Orders = Tuples.Relation("orders");
    static readonly byte[] Row = Tuples.Text("1", "a");
    readonly Transaction[] _transactions;

    public ModelSource(Random random, int count)
    {
        _transactions = new Transaction[count];
        var lsn = 100UL;
        for (var i = 0; i < count; i++)
        {
            // WAL of others lies between; some transactions touch nothing that is published.
            lsn += (ulong)random.Next(1, 50);
            var rows = random.Next(12) switch { 0 => 0, 1 => random.Next(20, 120), _ => random.Next(1, 6) };
            var end = lsn + 1 + (ulong)random.Next(30);
            _transactions[i] = new Transaction(new Lsn(lsn), new Lsn(end), rows);
            lsn = end;
        }
    }

    public readonly record struct Transaction(Lsn Commit, Lsn End, int Rows);

    public IReadOnlyList<Transaction> Transactions => _transactions;

    public Lsn End => _transactions[^1].End;

    /// <summary>
    /// What a stream from <paramref name="from"/> delivers, to its end: a batch may end anywhere, inside a transaction too, and keepalives come
    /// between transactions. The caller releases each.
    /// </summary>
    public IEnumerable<ChangeBatch> Read(Lsn from, Random random)
    {
        var builder = new ChangeBatchBuilder();
        foreach (var transaction in _transactions.Where(t => t.Commit >= from))
        {
            builder.Begin((uint)transaction.Commit.Value, transaction.Commit, (long)transaction.Commit.Value);
            if (random.Next(8) == 0 && !builder.IsEmpty)
                yield return builder.Build();
            for (var row = 0; row < transaction.Rows; row++)
            {
                builder.AddInsert(Orders, Row);
                if (random.Next(15) == 0)
                    yield return builder.Build();
            }

            builder.Commit(transaction.End);
            if (random.Next(5) == 0)
                builder.Advance(new Lsn(transaction.End.Value + (ulong)random.Next(2)));
            if (random.Next(3) == 0)
                yield return builder.Build();
        }

        if (!builder.IsEmpty)
            yield return builder.Build();
    }
}
