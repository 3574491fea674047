using Rosetta.Core.Changes;
using Rosetta.Core.Positions;

namespace Rosetta.Postgres.Destination.Apply;

/// <summary>A place in a group: batch, transaction in it, change in it.</summary>
/// <param name="Change">Index in the batch; -1 before the transaction's first.</param>
readonly record struct GroupPlace(int Batch, int Span, int Change);

/// <summary>Walks a group's changes of the transactions that are not applied yet, and can walk a stretch again.</summary>
sealed class GroupCursor
{
    IReadOnlyList<ChangeBatch> _batches = [];
    Lsn _position;
    int _batch;
    int _span;
    int _change;

    /// <summary>Begins with the group's first change.</summary>
    /// <param name="position">Transactions committed before it are passed over.</param>
    public void Start(IReadOnlyList<ChangeBatch> batches, Lsn position)
    {
        _batches = batches;
        _position = position;
        Place = new GroupPlace(0, 0, -1);
    }

    public GroupPlace Place
    {
        get => new(_batch, _span, _change);
        set => (_batch, _span, _change) = value;
    }

    /// <summary>Moves to the next change.</summary>
    /// <param name="until">Ends there; default for the group's end.</param>
    public bool MoveNext(GroupPlace? until = null)
    {
        _change++;
        for (; _batch < _batches.Count; _batch++, _span = 0, _change = 0)
        {
            var spans = _batches[_batch].Transactions;
            for (; _span < spans.Length; _span++, _change = 0)
            {
                ref readonly var span = ref spans[_span];
                if (span.CommitLsn < _position)
                    continue;
                if (_change < span.First)
                    _change = span.First;
                if (_change >= span.First + span.Count)
                    continue;
                return until is not { } end || Place != end;
            }
        }

        return false;
    }

    /// <summary>A transaction of the source begins with the current change.</summary>
    public bool IsAtStart
    {
        get
        {
            ref readonly var span = ref Transaction;
            return span.StartsHere && _change == span.First;
        }
    }

    public int Batch => _batch;

    public ref readonly Change Current => ref _batches[_batch].Changes[_change];

    public ref readonly TransactionSpan Transaction => ref _batches[_batch].Transactions[_span];

    public ChangeBatch CurrentBatch => _batches[_batch];

    /// <summary>The current change's place in the source's stream.</summary>
    public Position At
    {
        get
        {
            ref readonly var span = ref Transaction;
            return new Position(span.CommitLsn, span.FirstOrdinal + _change - span.First);
        }
    }
}
