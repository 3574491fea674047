using System.Buffers;
using System.Buffers.Binary;
using CsCheck;
using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Core.Spill;
using Rosetta.Core.Tests.Changes;
using Xunit;

namespace Rosetta.Core.Tests.Spill;

public sealed class BatchCodecTests
{
    static readonly Relation Orders = Tuples.Relation("orders");

    [Fact]
    public void Should_give_back_every_batch_of_a_stream() => RandomBatches.Stream.Sample(batches =>
    {
        var again = BatchCodec.Decode(Payload([.. batches]));

        AssertSame(batches, again);
        foreach (var batch in batches.Concat(again))
            batch.Release();
    });

    [Fact]
    public void Should_give_back_nothing_of_nothing() => Assert.Empty(BatchCodec.Decode([]));

    [Fact]
    public void Should_give_back_progress_alone()
    {
        var builder = new ChangeBatchBuilder();
        builder.Advance(Lsn.Max);

        var batch = Assert.Single(BatchCodec.Decode(Payload(builder.Build())));

        Assert.True(batch.IsEmpty);
        Assert.Equal(Lsn.Max, batch.DeliveredUpTo);
        Assert.Empty(batch.Relations);
    }

    [Fact]
    public void Should_keep_tuples_that_a_transform_put_elsewhere()
    {
        var builder = new ChangeBatchBuilder();
        builder.Begin(7, new Lsn(100), 5);
        builder.AddInsert(Orders, Tuples.Text("1", "a"));
        builder.AddUpdate(Orders, ChangeFlags.OldIsKey, Tuples.Text("1", Tuples.Null), Tuples.Text("2", "b"));
        builder.Commit(new Lsn(110));
        var batch = builder.Build();
        var (bytes, changes) = (ArrayPool<byte>.Shared.Rent(100), ArrayPool<Change>.Shared.Rent(2));
        batch.Bytes.CopyTo(bytes.AsSpan(50));
        // Backwards, with gaps before, between and behind.
        for (var i = 0; i < 2; i++)
            changes[1 - i] = batch.Changes[i] with { Old = batch.Changes[i].HasOld ? batch.Changes[i].Old + 50 : -1, New = batch.Changes[i].New + 50, End = batch.Changes[i].End + 50 };
        var moved = batch.Rewritten(bytes, 99, changes, [RandomBatches.Wide]);

        AssertSame([moved], BatchCodec.Decode(Payload(moved)));
    }

    [Fact]
    public void Should_make_equal_relations_one_object_over_all_calls()
    {
        var again = BatchCodec.Decode(Payload(Insert(Tuples.Relation("items")), Insert(Tuples.Relation("items")), Insert(Tuples.Relation("items", 2))));
        var later = BatchCodec.Decode(Payload(Insert(Tuples.Relation("items"))));

        Assert.Same(again[0].Relations[0], again[1].Relations[0]);
        Assert.Same(again[0].Relations[0], later[0].Relations[0]);
        Assert.NotSame(again[0].Relations[0], again[2].Relations[0]);
    }

    [Fact]
    public void Should_not_grow_with_the_relations_that_were_seen()
    {
        var pool = new RelationPool(10);
        for (var i = 0; i < 1_000; i++)
        {
            pool.Get(BitConverter.GetBytes(i), _ => Orders);
            Assert.InRange(pool.Count, 1, 10);
        }
    }

    [Fact]
    public void Should_say_that_batches_of_a_later_version_need_a_newer_node()
    {
        var payload = Payload(Insert(Orders));
        payload[3] = 2;

        var error = Assert.Throws<FormatException>(() => BatchCodec.Decode(payload));

        Assert.Contains("version 2", error.Message, StringComparison.Ordinal);
        Assert.Contains("older than the one that wrote", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Should_refuse_a_payload_that_is_cut_anywhere_but_between_batches_or_goes_on()
    {
        var (first, second) = (Payload(Insert(Orders)), Payload(Insert(RandomBatches.Wide)));
        byte[] payload = [.. first, .. second];

        for (var length = 1; length < payload.Length; length++)
        {
            if (length != first.Length)
                Assert.Throws<FormatException>(() => BatchCodec.Decode(payload.AsSpan(0, length)));
        }

        Assert.Throws<FormatException>(() => BatchCodec.Decode([.. payload, 0]));
    }

    [Fact]
    public void Should_see_every_changed_byte()
    {
        var payload = Payload(Insert(Orders), Insert(RandomBatches.Wide));
        for (var at = 0; at < payload.Length; at++)
        {
            foreach (var bit in new[] { 1, 0x80 })
            {
                var damaged = (byte[])payload.Clone();
                damaged[at] ^= (byte)bit;
                Assert.Throws<FormatException>(() => BatchCodec.Decode(damaged));
            }
        }
    }

    [Fact]
    public void Should_answer_damage_that_has_the_right_checksum_with_nothing_but_a_format_error() =>
        Gen.Select(RandomBatches.Stream, Gen.Int[0, int.MaxValue].Select(Gen.OneOf(Gen.Const(0), Gen.Const(-1), Gen.Const(int.MaxValue), Gen.Int[0, 255], Gen.Int)).Array[1, 8])
            .Sample((batches, damage) =>
            {
                var payload = Payload(batches[^1]);
                foreach (var (at, value) in damage)
                    BinaryPrimitives.WriteInt32LittleEndian(payload.AsSpan(8 + (at % (payload.Length - 11))), value);
                BinaryPrimitives.WriteUInt32LittleEndian(payload.AsSpan(4), Crc32C.Of(payload.AsSpan(8)));
                var before = GC.GetAllocatedBytesForCurrentThread();
                try
                {
                    foreach (var batch in BatchCodec.Decode(payload))
                    {
                        AssertInside(batch);
                        batch.Release();
                    }
                }
                catch (FormatException)
                {
                }

                Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000 + (payload.Length * 20));
                foreach (var batch in batches)
                    batch.Release();
            });

    [Fact]
    public void Should_answer_noise_with_a_format_error() => Gen.Byte.Array[1, 300].Sample(noise =>
    {
        Assert.Throws<FormatException>(() => BatchCodec.Decode(noise));
    });

    [Fact]
    public void Should_check_by_the_checksum_that_the_world_knows() => Assert.Equal(0xE3069283, Crc32C.Of("123456789"u8));

    internal static byte[] Payload(params ReadOnlySpan<ChangeBatch> batches)
    {
        var output = new PooledBytes(16);
        foreach (var batch in batches)
            BatchCodec.Encode(batch, ref output);
        return output.Array.AsSpan(0, output.Length).ToArray();
    }

    internal static void AssertSame(IReadOnlyList<ChangeBatch> expected, IReadOnlyList<ChangeBatch> actual)
    {
        Assert.Equal(expected.Count, actual.Count);
        foreach (var (one, other) in expected.Zip(actual))
        {
            Assert.Equal(one.DeliveredUpTo, other.DeliveredUpTo);
            Assert.Equal(one.Transactions.ToArray(), other.Transactions.ToArray());
            Assert.Equal(one.Changes.ToArray(), other.Changes.ToArray());
            Assert.Equal(one.Bytes.ToArray(), other.Bytes.ToArray());
            Assert.Equal(one.Relations.Select(r => (r.Id, r.Schema, r.Name)), other.Relations.Select(r => (r.Id, r.Schema, r.Name)));
            Assert.All(one.Relations.Zip(other.Relations), pair => Assert.True(pair.First.HasShapeOf(pair.Second)));
        }
    }

    /// <summary>Nothing of a batch points out of it.</summary>
    static void AssertInside(ChangeBatch batch)
    {
        foreach (var change in batch.Changes)
        {
            Assert.InRange(change.Relation, 0, batch.Relations.Count - 1);
            Assert.InRange(change.End, 0, batch.Bytes.Length);
            Assert.InRange(change.Old, -1, change.End);
            Assert.InRange(change.New, -1, change.End);
        }

        Assert.Equal(batch.Changes.Length, batch.Transactions.ToArray().Sum(t => t.Count));
    }

    static ChangeBatch Insert(Relation relation)
    {
        var builder = new ChangeBatchBuilder();
        builder.Begin(1, new Lsn(100), 1);
        builder.AddInsert(relation, Tuples.Text("1", "a"));
        builder.Commit(new Lsn(110));
        return builder.Build();
    }
}
