using System.Text;
using Microsoft.Extensions.Time.Testing;
using Rosetta.Actors.Spill;
using Rosetta.Core.Changes;
using Rosetta.Core.Destinations;
using Rosetta.Core.Lanes;
using Rosetta.Core.Positions;
using Rosetta.Core.Spill;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.Actors.Tests.Spill;

/// <summary>Whatever streams overlap, and whatever was cut off: a spill log has each transaction once, whole, in order, and never goes back.</summary>
public sealed class SpillSinkTests(ITestOutputHelper output)
{
    static readonly Relation Rows = new(1, "public", "rows", ReplicaIdentity.Default, [new RelationColumn("id", 23, -1, true)]);

    [Fact]
    public async Task Should_have_each_transaction_once_and_in_order_whatever_overlaps()
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (var trial = 0; trial < 300; trial++)
            await TryAsync(random);
    }

    static async Task TryAsync(Random random)
    {
        var changes = Enumerable.Range(0, random.Next(1, 40)).Select(_ => random.Next(4) == 0 ? random.Next(20, 60) : random.Next(1, 5)).ToArray();
        using var hub = new LaneHub(LaneHubOptions.Default, TimeProvider.System, static () => { });
        var lane = hub.Register(1, Begin(0));
        await using var store = new MemorySpillStore();
        var done = 0;
        while (done < changes.Length)
        {
            // An incarnation of the writer: it begins where the log ends, and is fed by one stream after another.
            var spill = new LaneSpill(store, new SpillLog(1, 1, Guid.Empty), 1, lane, SpillLimits.Default with { Age = TimeSpan.MaxValue }, () => Begin(0), TimeProvider.System);
            var sink = new SpillSink(lane, spill, new FakeTimeProvider { AutoAdvanceAmount = TimeSpan.FromSeconds(1) });
            await sink.OpenAsync(default);
            done = Given(sink);
            for (var streams = random.Next(1, 4); streams > 0 && done < changes.Length; streams--)
            {
                // Not behind what the writer has, and not ahead of it: one that is ahead is never given to it.
                var from = random.Next(Math.Max(0, done - 5), done + 1);
                var to = random.Next(done, changes.Length + 1);
                await FeedAsync(random, sink, changes, from, to, isCutOff: random.Next(3) == 0);
                await sink.RenewAsync(default);
                done = Given(sink);
            }
        }

        AssertWhole(changes, store);
    }

    /// <summary>Batches of transactions, as a reader cuts them, in groups as a pump makes them.</summary>
    static async Task FeedAsync(Random random, SpillSink sink, int[] changes, int from, int to, bool isCutOff)
    {
        var batches = Batches(random, changes, from, to);
        var end = isCutOff ? random.Next(batches.Count) : batches.Count;
        for (var i = 0; i < end;)
        {
            var applied = new ApplyGroup(batches.GetRange(i, Math.Min(random.Next(1, 6), end - i)));
            i += applied.Batches.Count;
            await sink.ApplyAsync(applied, default);
            if (!applied.IsOpenAtEnd)
                sink.Pass(applied.DeliveredUpTo, 0);
        }

        batches.ForEach(b => b.Release());
    }

    static List<ChangeBatch> Batches(Random random, int[] changes, int from, int to)
    {
        var (builder, batches) = (new ChangeBatchBuilder(), new List<ChangeBatch>());
        for (var t = from; t < to; t++)
        {
            builder.Begin((uint)t, Commit(t), t);
            for (var c = 0; c < changes[t]; c++)
            {
                builder.AddInsert(Rows, Tuple($"{t}.{c}"));
                if (random.Next(15) == 0)
                    batches.Add(builder.Build());
            }

            builder.Commit(Begin(t + 1));
            if (random.Next(3) == 0)
                batches.Add(builder.Build());
        }

        batches.Add(builder.Build());
        return batches;
    }

    static void AssertWhole(int[] changes, MemorySpillStore store)
    {
        var found = new List<string>();
        var delivered = Lsn.Zero;
        foreach (var batch in store.Payloads.SelectMany(p => BatchCodec.Decode(p)))
        {
            Assert.True(batch.DeliveredUpTo >= delivered, $"The log goes back from {delivered} to {batch.DeliveredUpTo}.");
            delivered = batch.DeliveredUpTo;
            foreach (var change in batch.Changes)
                found.Add(Encoding.UTF8.GetString(batch.Bytes[(change.New + 7)..change.End]));
            batch.Release();
        }

        Assert.Equal(changes.SelectMany((count, t) => Enumerable.Range(0, count).Select(c => $"{t}.{c}")), found);
    }

    /// <summary>Transactions that the sink was given.</summary>
    static int Given(SpillSink sink) => (int)((sink.Passed.Value - 100) / 100);

    static Lsn Begin(int transaction) => new((ulong)((transaction * 100) + 100));

    static Lsn Commit(int transaction) => new((ulong)((transaction * 100) + 170));

    /// <summary>pgoutput's TupleData of one text column.</summary>
    static byte[] Tuple(string text) => [0, 1, (byte)'t', 0, 0, 0, (byte)text.Length, .. Encoding.UTF8.GetBytes(text)];
}
