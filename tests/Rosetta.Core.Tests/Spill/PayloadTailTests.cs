using CsCheck;
using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Core.Spill;
using Xunit;

namespace Rosetta.Core.Tests.Spill;

public sealed class PayloadTailTests
{
    [Fact]
    public void Should_keep_exactly_what_came_to_its_end() => RandomBatches.Stream.Where(batches => batches[^1].IsOpenAtEnd).Sample(batches =>
    {
        var through = new Lsn(1_000_000_000);

        var cut = BatchCodec.Decode(PayloadTail.Cut(BatchCodecTests.Payload([.. batches]), through));

        // The open transaction's changes lie behind the end of the last one; everything else is there, in its order.
        var open = batches[^1].Transactions[^1].CommitLsn;
        Assert.Equal(batches.SelectMany(Lines).Where(l => l.Commit != open).Select(l => l.Text), cut.SelectMany(Lines).Select(l => l.Text));
        Assert.False(cut[^1].IsOpenAtEnd);
        Assert.Equal(through, cut[^1].DeliveredUpTo);
        foreach (var batch in batches.Concat(cut))
            batch.Release();
    });

    [Fact]
    public void Should_say_so_when_the_payload_is_damaged() => Assert.Throws<FormatException>(() => PayloadTail.Cut([1, 2, 3], new Lsn(1)));

    static IEnumerable<(Lsn Commit, string Text)> Lines(ChangeBatch batch)
    {
        var lines = new List<(Lsn, string)>();
        foreach (var span in batch.Transactions)
        {
            for (var i = 0; i < span.Count; i++)
            {
                var change = batch.Changes[span.First + i];
                var old = change.HasOld ? Convert.ToHexString(batch.Bytes[change.Old..(change.HasNew ? change.New : change.End)]) : "";
                var fresh = change.HasNew ? Convert.ToHexString(batch.Bytes[change.New..change.End]) : "";
                lines.Add((span.CommitLsn, $"{span.CommitLsn}#{span.FirstOrdinal + i} {change.Kind} {change.Flags} {batch.Relations[change.Relation].Name} {old} {fresh}"));
            }

            if (span.EndsHere)
                lines.Add((span.CommitLsn, $"{span.CommitLsn} ends at {span.EndLsn}"));
        }

        return lines;
    }
}
