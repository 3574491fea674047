using System.Buffers.Binary;
using System.Text;
using CsCheck;
using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Postgres.Destination.Fold;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>Whatever the changes, a fold applied at once leaves what the changes leave one by one. Pure, without a server.</summary>
public sealed class FoldModelTests
{
    sealed record Row(string? A, string? B, int N);

    /// <param name="Kind">0 insert, 1 update, 2 move to another key, 3 delete.</param>
    /// <param name="Keeps">Bit per TOAST column: unchanged, hence not in the stream.</param>
    sealed record Op(int Kind, int Key, int To, int Keeps, string? A, string? B, int N);

    static readonly Gen<string?> Text = Gen.OneOf(Gen.Const((string?)null), Gen.String[Gen.Char['a', 'e'], 0, 3].Select(s => (string?)s));

    static readonly Gen<Op> AnyOp = Gen.Select(
        Gen.Int[0, 3], Gen.Int[0, 6], Gen.Int[0, 6], Gen.Int[0, 3], Text, Text, Gen.Int[0, 9],
        (kind, key, to, keeps, a, b, n) => new Op(kind, key, to, keeps, a, b, n));

    [Fact]
    public void Should_leave_what_the_changes_leave_one_by_one()
    {
        var moves = 0;
        Gen.Select(AnyOp.Array[0, 40], Gen.Bool, Gen.Int[1, 15]).Sample((ops, full, batchSize) =>
        {
            var source = new Dictionary<int, Row> { [0] = new("a", null, 0), [1] = new("b", "bb", 1), [2] = new(null, "c", 2), [3] = new("", "", 3) };
            var target = new Dictionary<int, Row>(source);
            var states = new List<Dictionary<int, Row>>();
            var batches = Build(ops, source, full, batchSize, states);
            using var rows = new RowSource { Batches = batches };
            var changes = batches.SelectMany((b, i) => b.Changes.ToArray().Select(c => (Batch: i, Change: c))).ToList();
            var next = 0;
            while (next < changes.Count)
            {
                var taken = Take(rows, changes, next, changes.Count, target, out var refused);
                if (refused)
                {
                    // Only a moved row of which something is not known may be refused; it is applied by itself.
                    var change = changes[next + taken].Change;
                    Assert.True(change.Kind == ChangeKind.Update && change.HasOld && !full);
                    Take(rows, changes, next, next + taken, target, out var again);
                    Assert.False(again);
                    target = new Dictionary<int, Row>(states[next + taken]);
                    taken++;
                    Interlocked.Increment(ref moves);
                }

                next += taken;
            }

            foreach (var batch in batches)
                batch.Release();
            Assert.Equal(source.OrderBy(p => p.Key), target.OrderBy(p => p.Key));
        }, iter: 20_000, threads: 1);
        Assert.True(moves > 0);
    }

    /// <summary>Folds changes and, when none is refused, applies the fold.</summary>
    static int Take(RowSource rows, List<(int Batch, Change Change)> changes, int from, int to, Dictionary<int, Row> target, out bool refused)
    {
        rows.Merged.Clear();
        using var fold = new TableFold(rows, new RowShapes(4), [0], [0]);
        for (var i = from; i < to; i++)
        {
            if (fold.TryAdd(changes[i].Batch, changes[i].Change))
                continue;
            refused = true;
            return i - from;
        }

        refused = false;
        Apply(rows, fold, target);
        return to - from;
    }

    static void Apply(RowSource rows, TableFold fold, Dictionary<int, Row> target)
    {
        for (var i = 0; i < fold.Keys.Length; i++)
        {
            if (fold.Keys[i].DeleteFirst)
                Assert.True(target.Remove(BinaryPrimitives.ReadInt32BigEndian(fold.KeyOf(i)[5..])), "a row to be deleted is not there");
        }

        foreach (var key in fold.Keys.ToArray().Where(k => k.Final != FoldedRow.None))
        {
            var reader = rows.Read(key.Row);
            var (id, row) = Parse(ref reader, target, key.Final == FoldedRow.Update);
            if (key.Final == FoldedRow.Insert)
                Assert.True(target.TryAdd(id, row), "a row to be inserted is there already");
            else
                target[id] = row;
        }
    }

    static (int Id, Row Row) Parse(ref TupleReader reader, Dictionary<int, Row> target, bool mayKeep)
    {
        reader.Read();
        var id = BinaryPrimitives.ReadInt32BigEndian(reader.Value);
        var old = mayKeep ? target[id] : null;
        var values = new string?[2];
        for (var i = 0; i < 2; i++)
        {
            reader.Read();
            values[i] = reader.Kind switch
            {
                ValueKind.Null => null,
                ValueKind.Unchanged => i == 0 ? old!.A : old!.B,
                _ => Encoding.UTF8.GetString(reader.Value),
            };
        }

        reader.Read();
        return (id, new Row(values[0], values[1], BinaryPrimitives.ReadInt32BigEndian(reader.Value)));
    }

    /// <summary>Plays the operations that make sense on <paramref name="source"/> and writes what pgoutput would send.</summary>
    static List<ChangeBatch> Build(Op[] ops, Dictionary<int, Row> source, bool full, int batchSize, List<Dictionary<int, Row>> states)
    {
        var relation = new Relation(
            1, "public", "t", full ? ReplicaIdentity.Full : ReplicaIdentity.Default,
            [new("id", 23, -1, true), new("a", 25, -1, full), new("b", 25, -1, full), new("n", 23, -1, full)]);
        var builder = new ChangeBatchBuilder();
        var batches = new List<ChangeBatch>();
        builder.Begin(1, new Lsn(100), 0);
        foreach (var op in ops)
        {
            var exists = source.TryGetValue(op.Key, out var old);
            if (op.Kind == 0 ? exists : !exists)
                continue;
            switch (op.Kind)
            {
                case 0:
                    source[op.Key] = new Row(op.A, op.B, op.N);
                    builder.AddInsert(relation, Tuple(op.Key, source[op.Key]));
                    break;
                case 3:
                    source.Remove(op.Key);
                    builder.AddDelete(relation, OldKind(full), Old(op.Key, old!, full));
                    break;
                default:
                    var to = op.Kind == 2 && !source.ContainsKey(op.To) ? op.To : op.Key;
                    // A null is never kept out of the stream.
                    var keeps = (old!.A is null ? 0 : op.Keeps & 1) | (old.B is null ? 0 : op.Keeps & 2);
                    var row = new Row((keeps & 1) != 0 ? old.A : op.A, (keeps & 2) != 0 ? old.B : op.B, op.N);
                    source.Remove(op.Key);
                    source[to] = row;
                    var sendsOld = full || to != op.Key;
                    builder.AddUpdate(relation, sendsOld ? OldKind(full) : ChangeFlags.None, sendsOld ? Old(op.Key, old, full) : default, Tuple(to, row, keeps));
                    break;
            }

            states.Add(new Dictionary<int, Row>(source));
            if (builder.Count >= batchSize)
                batches.Add(builder.Build());
        }

        builder.Commit(new Lsn(200));
        batches.Add(builder.Build());
        return batches;
    }

    static ChangeFlags OldKind(bool full) => full ? ChangeFlags.OldIsFull : ChangeFlags.OldIsKey;

    static byte[] Old(int id, Row row, bool full) => full ? Tuple(id, row) : Tuple(id, new Row(null, null, 0), nullNumber: true);

    static byte[] Tuple(int id, Row row, int keeps = 0, bool nullNumber = false)
    {
        var bytes = new List<byte> { 0, 4 };
        Value(bytes, Int(id));
        foreach (var (value, keep) in new[] { (row.A, keeps & 1), (row.B, keeps & 2) })
        {
            if (keep != 0)
                bytes.Add((byte)'u');
            else
                Value(bytes, value is null ? null : Encoding.UTF8.GetBytes(value));
        }

        Value(bytes, nullNumber ? null : Int(row.N));
        return [.. bytes];
    }

    static byte[] Int(int value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        return bytes;
    }

    static void Value(List<byte> bytes, byte[]? value)
    {
        bytes.Add((byte)(value is null ? 'n' : 'b'));
        if (value is null)
            return;
        bytes.AddRange(Int(value.Length));
        bytes.AddRange(value);
    }
}
