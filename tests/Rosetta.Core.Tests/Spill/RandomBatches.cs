using CsCheck;
using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Core.Tests.Changes;

namespace Rosetta.Core.Tests.Spill;

/// <summary>Streams of batches as a reader makes them: open at the start, at the end or both, with nothing but progress, with filtered changes.</summary>
static class RandomBatches
{
    public static readonly Relation Wide = new(
        uint.MaxValue, "größe", "a\"b.c", ReplicaIdentity.Index, [new RelationColumn("id", 20, -1, true), new RelationColumn("n größer", uint.MaxValue, 655366, false)]);

    static readonly Relation[] Relations = [Tuples.Relation("orders"), Wide, new Relation(3, "", "bare", ReplicaIdentity.Full, []), Tuples.Relation("orders")];

    /// <summary>What a reader does, one after another; as numbers, so that a failure can be made smaller.</summary>
    public static readonly Gen<List<ChangeBatch>> Stream = Gen.Int[0, 9].Select(Gen.Int[0, 1_000_000]).List[0, 60].Select(steps => Make(steps));

    static List<ChangeBatch> Make(List<(int Kind, int Number)> steps)
    {
        var (builder, batches) = (new ChangeBatchBuilder(), new List<ChangeBatch>());
        ulong lsn = 100;
        foreach (var (kind, number) in steps)
        {
            var relation = Relations[number % Relations.Length];
            switch (kind)
            {
                case 0 when builder.InTransaction:
                    builder.Commit(new Lsn(lsn += 10));
                    break;
                case 1:
                    batches.Add(builder.Build());
                    break;
                case 2 when !builder.InTransaction:
                    builder.Advance(new Lsn(lsn += (ulong)number));
                    break;
                default:
                    if (!builder.InTransaction) builder.Begin((uint)number * 4_001, new Lsn(lsn += 10), number * -1_000_000L);
                    Add(builder, kind, number, relation);
                    break;
            }
        }

        batches.Add(builder.Build());
        return batches;
    }

    static void Add(ChangeBatchBuilder builder, int kind, int number, Relation relation)
    {
        var (old, fresh) = (Tuples.Text($"{number}", Tuples.Null), Tuples.Text($"{number}", new string('ß', number % 300)));
        switch (kind)
        {
            case 3 or 4 or 5:
                builder.AddInsert(relation, fresh);
                break;
            case 6:
                builder.AddUpdate(relation, number % 2 == 0 ? ChangeFlags.OldIsFull : ChangeFlags.None, number % 2 == 0 ? old : default, Tuples.Text("1", Tuples.Unchanged));
                break;
            case 7:
                builder.Add(ChangeKind.Delete, ChangeFlags.OldIsKey | ChangeFlags.MayBeAbsent, relation, old, default);
                break;
            case 8:
                builder.AddTruncate([relation, Wide], ChangeFlags.TruncateCascade | ChangeFlags.TruncateRestartIdentity);
                break;
            default:
                builder.Add(ChangeKind.Filtered, (ChangeFlags)(number & 0xFF), relation, default, default);
                break;
        }
    }
}
