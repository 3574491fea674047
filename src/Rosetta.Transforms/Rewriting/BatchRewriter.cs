using System.Buffers;
using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Transforms.Rewriting;

/// <summary>Rewrites one batch: the changes of tables with a transform are written anew, everything else keeps its bytes.</summary>
static class BatchRewriter
{
    /// <param name="rewriters">By the batch's relations; null for one that goes as it is.</param>
    /// <param name="drops">By the batch's relations: nothing of it goes on.</param>
    /// <param name="skips">Whether a change of this relation in a transaction with this commit LSN is not applied anyway.</param>
    /// <exception cref="TransformStopException">A table cannot go on; <paramref name="failed"/> says which.</exception>
    public static ChangeBatch Rewrite(ChangeBatch batch, RelationRewriter?[] rewriters, bool[] drops, Func<int, Lsn, bool> skips, out TableName? failed)
    {
        failed = null;
        foreach (var rewriter in rewriters)
            rewriter?.Start(batch.Memory);
        foreach (ref readonly var span in batch.Transactions)
        {
            for (var i = span.First; i < span.First + span.Count; i++)
            {
                ref readonly var change = ref batch.Changes[i];
                if (rewriters[change.Relation] is not { } rewriter || skips(change.Relation, span.CommitLsn))
                    continue;
                failed = rewriter.Transform.Table;
                rewriter.Gather(batch.Bytes, i, change, new Position(span.CommitLsn, span.FirstOrdinal + i - span.First));
            }
        }

        foreach (var rewriter in rewriters)
        {
            failed = rewriter?.Transform.Table;
            rewriter?.Evaluate(batch.Bytes, batch.Changes);
        }

        failed = null;
        return Write(batch, rewriters, drops, skips);
    }

    static ChangeBatch Write(ChangeBatch batch, RelationRewriter?[] rewriters, bool[] drops, Func<int, Lsn, bool> skips)
    {
        var output = new PooledBytes(batch.Bytes.Length + (batch.Bytes.Length / 2) + 1024);
        // Changes of other tables keep their offsets.
        output.Write(batch.Bytes);
        var changes = ArrayPool<Change>.Shared.Rent(Math.Max(1, batch.Changes.Length));
        batch.Changes.CopyTo(changes);
        var relations = batch.Relations.ToList();
        for (var i = 0; i < rewriters.Length; i++)
        {
            if (rewriters[i] is { } rewriter)
                relations[i] = rewriter.Output;
        }

        foreach (ref readonly var span in batch.Transactions)
        {
            for (var i = span.First; i < span.First + span.Count; i++)
            {
                ref readonly var change = ref batch.Changes[i];
                var rewriter = rewriters[change.Relation];
                // A TRUNCATE holds no rows, and those of one statement belong together: the destination knows which tables it applies to.
                if (change.Kind == ChangeKind.Truncate)
                    continue;
                if (drops[change.Relation] || (rewriter is not null && skips(change.Relation, span.CommitLsn)))
                    changes[i] = new Change(ChangeKind.Filtered, ChangeFlags.None, change.Relation, -1, -1, output.Length);
                else if (rewriter is not null)
                    changes[i] = rewriter.Write(batch.Bytes, change, change.Relation, ref output);
            }
        }

        return batch.Rewritten(output.Array, output.Length, changes, relations);
    }
}
