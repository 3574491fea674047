using System.Text;
using Rosetta.Core.Changes;
using Rosetta.Transforms.Compilation;
using Rosetta.Transforms.Engine;
using Rosetta.Transforms.Evaluation;

namespace Rosetta.Transforms.Previews;

/// <summary>What a transform makes of some rows, as text, for people.</summary>
/// <param name="Rows">Those that are kept, up to the limit; a value per output column, null for NULL.</param>
/// <param name="Kept">How many of the rows read pass the filter.</param>
public sealed record TransformPreview(IReadOnlyList<IReadOnlyList<string?>> Rows, int Kept)
{
    /// <param name="rows">Values of the columns in <see cref="CompiledTransform.Needed"/>, in text form.</param>
    /// <param name="limit">How many rows to show.</param>
    /// <exception cref="EvaluationException">An expression failed on a row.</exception>
    public static TransformPreview Of(CompiledTransform transform, IReadOnlyList<string?[]> rows, int limit, DuckEngine engine)
    {
        var place = transform.Needed.Select((column, i) => (column, i)).ToDictionary(p => p.column, p => p.i);
        var set = new RowSet(transform.Reads.Count);
        foreach (var row in rows)
        {
            var cells = set.AddRow();
            for (var i = 0; i < cells.Length; i++)
                cells[i] = CellOf(set, row[place[transform.Reads[i]]]);
        }

        var evaluated = new EvaluatedRows();
        using var evaluator = new TransformEvaluator(transform, engine, asText: true);
        evaluator.Evaluate(set, evaluated);
        var shown = new List<IReadOnlyList<string?>>();
        for (var row = 0; row < rows.Count && shown.Count < limit; row++)
        {
            if (evaluated.IsKept(row))
                shown.Add([.. transform.Output.Select(c => c.IsComputed ? Text(evaluated, row, c.Computed) : rows[row][place[c.Source]])]);
        }

        return new TransformPreview(shown, evaluated.Kept);
    }

    static Cell CellOf(RowSet set, string? text)
    {
        if (text is null)
            return Cell.Null;
        var bytes = Encoding.UTF8.GetBytes(text);
        return new Cell(set.AddBuffer(bytes), 0, bytes.Length, ValueKind.Text);
    }

    static string? Text(EvaluatedRows rows, int row, int computed)
    {
        var value = rows.Value(row, computed, out var kind);
        return kind == ValueKind.Null ? null : Encoding.UTF8.GetString(value);
    }
}
