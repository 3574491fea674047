using CsCheck;
using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Core.Tests.Spill;
using Xunit;

namespace Rosetta.Core.Tests.Changes;

public sealed class ChangeBatchWithoutTests
{
    [Fact]
    public void Should_have_what_is_not_below_the_position_and_nothing_else() => Gen.Select(RandomBatches.Stream, Gen.ULong[0, 3_000]).Sample((batches, at) =>
    {
        foreach (var batch in batches)
        {
            var position = new Lsn(at);
            var rest = batch.Without(position);
            Assert.Equal(Described(batch).Where(t => t.CommitLsn >= position), Described(rest));
            Assert.Equal(batch.DeliveredUpTo, rest.DeliveredUpTo);
            var next = 0;
            foreach (var span in rest.Transactions)
            {
                Assert.Equal(next, span.First);
                next += span.Count;
            }

            Assert.Equal(next, rest.Changes.Length);
            rest.Release();
            batch.Release();
        }
    });

    [Fact]
    public void Should_be_the_same_batch_when_nothing_goes()
    {
        var builder = new ChangeBatchBuilder();
        builder.Begin(1, new Lsn(100), 1);
        builder.AddInsert(RandomBatches.Wide, Tuples.Text("1", "a"));
        builder.Commit(new Lsn(110));
        var batch = builder.Build();
        var same = batch.Without(new Lsn(100));
        Assert.Same(batch, same);
        same.Release();
        Assert.Empty(batch.Without(new Lsn(101)).Changes.ToArray());
        batch.Release();
        // Both holds are gone.
        Assert.Throws<InvalidOperationException>(batch.Release);
    }

    static List<(Lsn CommitLsn, bool StartsHere, bool EndsHere, string Changes)> Described(ChangeBatch batch)
    {
        var all = new List<(Lsn, bool, bool, string)>();
        foreach (var span in batch.Transactions)
        {
            var changes = new List<string>();
            foreach (var change in batch.Changes.Slice(span.First, span.Count))
                changes.Add($"{change.Kind} {change.Flags} {batch.Relations[change.Relation].Name} {Tuple(batch, change.Old, change)} {Tuple(batch, change.New, change)}");
            all.Add((span.CommitLsn, span.StartsHere, span.EndsHere, string.Join(";", changes)));
        }

        return all;
    }

    static string Tuple(ChangeBatch batch, int from, Change change) => from < 0 ? "-" : Convert.ToHexString(batch.Bytes[from..change.End]);
}
