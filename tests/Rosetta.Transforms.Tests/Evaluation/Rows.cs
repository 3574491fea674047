using System.Text;
using Rosetta.Core.Changes;
using Rosetta.Transforms.Compilation;
using Rosetta.Transforms.Engine;
using Rosetta.Transforms.Evaluation;

namespace Rosetta.Transforms.Tests.Evaluation;

/// <summary>Rows of <see cref="Orders"/> given as text, as a stream in text form carries them.</summary>
static class Rows
{
    /// <summary>Evaluates one expression over rows of named values; what comes out as text, "(out)" for a row that is filtered away.</summary>
    public static string?[] Evaluate(string expression, string? filter, params (string Column, string? Value)[][] rows)
    {
        using var engine = new DuckEngine(EngineLimits.Interactive);
        var result = TransformCompiler.Compile(Orders.Request(filter, $"SELECT id, {expression} AS x FROM orders"), engine);
        Xunit.Assert.True(result.Transform is not null, result.Describe());
        using var evaluator = new TransformEvaluator(result.Transform!, engine, asText: true);
        var evaluated = new EvaluatedRows();
        evaluator.Evaluate(Set(result.Transform!, rows), evaluated);
        var texts = new string?[rows.Length];
        for (var row = 0; row < rows.Length; row++)
        {
            if (!evaluated.IsKept(row))
            {
                texts[row] = "(out)";
                continue;
            }

            var value = evaluated.Value(row, 0, out var kind);
            texts[row] = kind == ValueKind.Null ? null : Encoding.UTF8.GetString(value);
        }

        return texts;
    }

    public static RowSet Set(CompiledTransform transform, params (string Column, string? Value)[][] rows)
    {
        var set = new RowSet(transform.Reads.Count);
        foreach (var row in rows)
        {
            var cells = new Cell[transform.Reads.Count];
            for (var i = 0; i < cells.Length; i++)
            {
                var name = transform.Columns[transform.Reads[i]].Name;
                if (row.FirstOrDefault(r => r.Column == name).Value is not { } text)
                {
                    cells[i] = Cell.Null;
                    continue;
                }

                var bytes = Encoding.UTF8.GetBytes(text);
                cells[i] = new Cell(set.AddBuffer(bytes), 0, bytes.Length, ValueKind.Text);
            }

            cells.CopyTo(set.AddRow());
        }

        return set;
    }
}
