using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Positions;

namespace Rosetta.Postgres.Destination.Parking;

/// <summary>Parked changes as a batch of the stream: each a transaction of its own, at the place that it had.</summary>
sealed class LateBatch : IDisposable
{
    /// <exception cref="FormatException">A payload cannot be read.</exception>
    public LateBatch(IReadOnlyList<DeadLetter> letters)
    {
        var builder = new ChangeBatchBuilder();
        var shapes = new List<Relation>();
        foreach (var letter in letters)
        {
            var change = ParkedChange.Decode(letter.Payload);
            var relation = shapes.Find(r => r.Id == change.Relation.Id && r.Name == change.Relation.Name && r.Schema == change.Relation.Schema && r.HasShapeOf(change.Relation));
            if (relation is null)
                shapes.Add(relation = change.Relation);
            builder.Begin(letter.Xid, letter.At.Commit, letter.CommitTime, letter.At.Ordinal);
            builder.Add(change.Kind, change.Flags, relation, change.Old.Span, change.New.Span);
            builder.Commit(new Lsn(letter.At.Commit.Value + 1));
        }

        Changes = builder.Build();
    }

    public ChangeBatch Changes { get; }

    public void Dispose() => Changes.Release();
}
