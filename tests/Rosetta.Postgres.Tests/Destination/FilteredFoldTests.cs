using System.Buffers.Binary;
using CsCheck;
using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Postgres.Destination.Fold;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>Changes behind a filter that does not see old rows: any of them may be about a row that is not there, and all of them fold.</summary>
public sealed class FilteredFoldTests
{
    /// <param name="Kind">0 insert, 1 update, 2 move to another key, 3 delete.</param>
    sealed record Op(int Kind, int Key, int To, int N);

    static readonly Gen<Op> AnyOp = Gen.Select(Gen.Int[0, 3], Gen.Int[0, 6], Gen.Int[0, 6], Gen.Int[0, 9], (kind, key, to, n) => new Op(kind, key, to, n));

    static bool Passes(int n) => n % 2 == 0;

    [Fact]
    public void Should_leave_the_rows_that_pass_whatever_was_there_before()
    {
        var relation = new Relation(1, "public", "t", ReplicaIdentity.Default, [new("id", 23, -1, true), new("n", 23, -1, false)]);
        Gen.Select(AnyOp.Array[0, 40], Gen.Int[1, 12]).Sample((ops, groupSize) =>
        {
            var source = new Dictionary<int, int> { [0] = 0, [1] = 1, [2] = 2, [3] = 3 };
            var target = source.Where(p => Passes(p.Value)).ToDictionary();
            foreach (var group in ops.Chunk(groupSize))
            {
                var builder = new ChangeBatchBuilder();
                builder.Begin(1, new Lsn(100), 0);
                foreach (var op in group)
                    Play(op, source, relation, builder);
                builder.Commit(new Lsn(200));
                var batch = builder.Build();
                using (var rows = new RowSource { Batches = [batch] })
                using (var fold = new TableFold(rows, new RowShapes(2), [0], [0]))
                {
                    foreach (var change in batch.Changes)
                        Assert.True(fold.TryAdd(0, change), $"{change} does not fold");
                    Apply(rows, fold, target);
                }

                batch.Release();
                Assert.Equal(source.Where(p => Passes(p.Value)).OrderBy(p => p.Key), target.OrderBy(p => p.Key));
            }
        }, iter: 10_000, threads: 1);
    }

    static void Play(Op op, Dictionary<int, int> source, Relation relation, ChangeBatchBuilder builder)
    {
        var exists = source.ContainsKey(op.Key);
        if (op.Kind == 0 ? exists : !exists)
            return;
        switch (op.Kind)
        {
            case 0:
                source[op.Key] = op.N;
                if (Passes(op.N))
                    builder.AddInsert(relation, Tuple(op.Key, op.N));
                break;
            case 3:
                source.Remove(op.Key);
                builder.AddDelete(relation, ChangeFlags.OldIsKey | ChangeFlags.MayBeAbsent, Tuple(op.Key, null));
                break;
            default:
                var to = op.Kind == 2 && !source.ContainsKey(op.To) ? op.To : op.Key;
                source.Remove(op.Key);
                source[to] = op.N;
                if (!Passes(op.N))
                    builder.AddDelete(relation, ChangeFlags.OldIsKey | ChangeFlags.MayBeAbsent, Tuple(op.Key, null));
                else if (to == op.Key)
                    builder.AddUpdate(relation, ChangeFlags.MayBeAbsent, default, Tuple(to, op.N));
                else
                    builder.AddUpdate(relation, ChangeFlags.OldIsKey | ChangeFlags.MayBeAbsent, Tuple(op.Key, null), Tuple(to, op.N));
                break;
        }
    }

    static void Apply(RowSource rows, TableFold fold, Dictionary<int, int> target)
    {
        for (var i = 0; i < fold.Keys.Length; i++)
        {
            if (fold.Keys[i].DeleteFirst)
                target.Remove(BinaryPrimitives.ReadInt32BigEndian(fold.KeyOf(i)[5..]));
        }

        foreach (var key in fold.Keys.ToArray().Where(k => k.Final != FoldedRow.None))
        {
            var reader = rows.Read(key.Row);
            reader.Read();
            var id = BinaryPrimitives.ReadInt32BigEndian(reader.Value);
            reader.Read();
            var n = BinaryPrimitives.ReadInt32BigEndian(reader.Value);
            // An update inserts what it does not find.
            if (key.Final == FoldedRow.Insert)
                Assert.True(target.TryAdd(id, n), "a row to be inserted is there already");
            else
                target[id] = n;
        }
    }

    static byte[] Tuple(int id, int? n)
    {
        var bytes = new byte[n is null ? 12 : 20];
        BinaryPrimitives.WriteInt16BigEndian(bytes, 2);
        Write(bytes.AsSpan(2), id);
        if (n is { } number)
            Write(bytes.AsSpan(11), number);
        else
            bytes[11] = (byte)ValueKind.Null;
        return bytes;
    }

    static void Write(Span<byte> target, int value)
    {
        target[0] = (byte)ValueKind.Binary;
        BinaryPrimitives.WriteInt32BigEndian(target[1..], 4);
        BinaryPrimitives.WriteInt32BigEndian(target[5..], value);
    }
}
