using Rosetta.Postgres.Destination.Fold;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Destination.Statements;

namespace Rosetta.Postgres.Destination.Apply;

/// <summary>
/// Writes the folded rows of tables whose keys do not depend on one another, and finds those that the destination refuses: a statement for 64 rows, a savepoint
/// after each, all in one round trip; then for 8 of those that failed, then for each. What succeeds stays. Rows go in the order of their keys, as in a set.
/// </summary>
sealed class Sieve(ApplyContext context)
{
    /// <summary>Rows of a part at first.</summary>
    public const int Largest = 64;

    static readonly int[] Sizes = [Largest, 8, 1];

    /// <summary>A statement with more parameters costs more than it saves.</summary>
    const int MostParameters = 2048;

    const int Insert = -1;

    readonly FoldSelection _chosen = new();
    readonly List<int> _numbers = [];
    readonly List<Part> _parts = [];
    readonly List<(TablePlan Plan, int Number)> _refused = [];
    int _level;

    /// <summary>Rows that are written by one statement.</summary>
    /// <param name="Shape">Of updated rows; <see cref="Insert"/>.</param>
    /// <param name="From">In the order of the rows that were taken.</param>
    readonly record struct Part(TablePlan Plan, int Shape, int From, int Count);

    /// <summary>Rows that are refused, by their number in the plan's fold.</summary>
    public IReadOnlyList<(TablePlan Plan, int Number)> Refused => _refused;

    public void Start()
    {
        _numbers.Clear();
        _parts.Clear();
        _refused.Clear();
        _level = 0;
        context.Line.BeginSeparating();
    }

    /// <summary>Queues the rows of a plan's fold. What it deletes has been deleted.</summary>
    public async ValueTask EmitAsync(TablePlan plan, CancellationToken cancellationToken)
    {
        for (var shape = Insert; shape < plan.Shapes.Count; shape++)
        {
            var wanted = shape;
            var count = _chosen.Choose(
                plan.Fold, (in FoldedKey k) => wanted == Insert ? k.Final == FoldedRow.Insert : k.Final == FoldedRow.Update && k.Shape == wanted);
            var from = _numbers.Count;
            _numbers.AddRange(_chosen.Numbers);
            await EmitAsync(new Part(plan, shape, from, count), cancellationToken);
        }
    }

    /// <summary>How many rows are in parts that failed, of which no smaller part can be made at once.</summary>
    public int RowsOf(IReadOnlyList<ApplyFailure> failures) => _level == 0 ? 0 : failures.Sum(f => _parts[f.Part - 1].Count);

    /// <summary>Queues the rows of parts that failed in smaller ones.</summary>
    /// <param name="failures">Of the parts that were queued last.</param>
    /// <returns>False: nothing is left to be tried.</returns>
    public async ValueTask<bool> NextAsync(IReadOnlyList<ApplyFailure> failures, CancellationToken cancellationToken)
    {
        var failed = failures.Select(f => _parts[f.Part - 1]).ToList();
        _parts.Clear();
        _refused.AddRange(failed.Where(p => p.Count == 1).Select(p => (p.Plan, _numbers[p.From])));
        failed.RemoveAll(p => p.Count == 1);
        if (failed.Count == 0)
            return false;
        _level++;
        foreach (var part in failed)
            await EmitAsync(part, cancellationToken);
        return true;
    }

    /// <summary>Rows of the next part of so many.</summary>
    int SizeOf(int rows, int columns)
    {
        var level = _level;
        while (Sizes[level] > 1 && (Sizes[level] > rows || Sizes[level] * columns > MostParameters))
            level++;
        return Sizes[level];
    }

    async ValueTask EmitAsync(Part part, CancellationToken cancellationToken)
    {
        var line = context.Line;
        var (plan, shape) = (part.Plan, part.Shape);
        var columns = shape is Insert or RowShapes.Full ? plan.Columns.Count : plan.Columns.Count(c => plan.Shapes.Has(shape, c.RelationIndex));
        for (var done = 0; done < part.Count;)
        {
            var count = SizeOf(part.Count - done, columns);
            var from = part.From + done;
            done += count;
            _parts.Add(new Part(plan, shape, from, count));
            var step = new Step(0, plan, shape == Insert ? StepKind.Plain : StepKind.UpdatePart, count, Part: _parts.Count);
            var bind = line.Filling.Execute(shape == Insert ? plan.Statements.InsertRows(count) : plan.Statements.UpdateRows(shape, count), count * columns, step);
            for (var i = from; i < from + count; i++)
            {
                var row = plan.Fold.Keys[_numbers[i]].Row;
                BindRows.WriteRow(bind, context.Rows.BytesOf(row), row.Offset, plan.Bound);
            }

            bind.Complete();
            line.Separate();
            if (line.IsFull)
                await line.SendAsync(cancellationToken);
        }
    }
}
