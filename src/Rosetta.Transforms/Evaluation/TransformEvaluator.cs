using Rosetta.Core.Changes;
using Rosetta.Core.Tables;
using Rosetta.Transforms.Compilation;
using Rosetta.Transforms.Engine;
using Rosetta.Transforms.Types;

namespace Rosetta.Transforms.Evaluation;

/// <summary>Evaluates filter and expressions of one transform over sets of rows, a statement per set, in DuckDB's vectors. Not thread-safe.</summary>
public sealed class TransformEvaluator : IDisposable
{
    readonly CompiledTransform _transform;
    readonly DuckConnection _connection;
    readonly RowFeed _feed;
    readonly DuckStatement _statement;
    readonly ComputedType[] _types;

    /// <param name="asText">Computed values come as text, for people, not in their type's binary form.</param>
    public TransformEvaluator(CompiledTransform transform, DuckEngine engine, bool asText = false)
    {
        _transform = transform;
        _connection = engine.Connect();
        try
        {
            var function = engine.NextFunctionName();
            _feed = RowFeed.Register(_connection, transform, function);
            _statement = _connection.Prepare(transform.SelectSql($"{function}()", SqlIdentifier.Quote(NumberName(transform)), asText));
        }
        catch
        {
            _connection.Dispose();
            throw;
        }

        _types = [.. transform.Computed.Select(c => asText ? ComputedType.Of("VARCHAR", out _)! : c.Type!)];
    }

    /// <summary>Evaluates all rows.</summary>
    /// <exception cref="EvaluationException">An expression failed on a row, or took too long.</exception>
    public void Evaluate(RowSet rows, EvaluatedRows result)
    {
        result.Start(rows.Rows, _types.Length);
        if (rows.Rows == 0)
            return;
        try
        {
            Run(rows, 0, rows.Rows, result);
        }
        catch (DuckException e)
        {
            throw Explain(rows, e);
        }
    }

    void Run(RowSet rows, int from, int until, EvaluatedRows result)
    {
        _feed.Set(rows, from, until);
        _statement.Execute(chunk => Take(chunk, result));
    }

    void Take(in DuckChunk chunk, EvaluatedRows result)
    {
        var numbers = chunk[0];
        for (var row = 0; row < chunk.Rows; row++)
        {
            var number = (int)numbers.Value<long>(row);
            var cells = result.Keep(number);
            for (var i = 0; i < cells.Length; i++)
            {
                var vector = chunk[i + 1];
                if (vector.IsNull(row))
                {
                    cells[i] = Cell.Null;
                    continue;
                }

                var offset = result.Length;
                try
                {
                    cells[i] = new Cell(0, offset, ValueEncoder.Encode(_types[i], vector, row, result.Bytes), ValueKind.Binary);
                }
                catch (UnreadableValueException e)
                {
                    throw new EvaluationException($"column {_transform.Computed[i].Name}: {e.Message}", number, e);
                }
            }
        }
    }

    /// <summary>Names the row: what DuckDB says of a statement does not tell which one it was.</summary>
    EvaluationException Explain(RowSet rows, DuckException error)
    {
        if (_feed.Failure is { Row: >= 0 } failure)
            return new EvaluationException(failure.Reason, failure.Row, error);
        if (error.IsInterrupted)
            return new EvaluationException(error.Message, -1, error);
        var (from, until) = (0, rows.Rows);
        while (until - from > 1)
        {
            var middle = from + ((until - from) / 2);
            if (Fails(rows, from, middle) is { } first)
                (until, error) = (middle, first);
            else
                from = middle;
        }

        return new EvaluationException(error.Message, from, error);
    }

    DuckException? Fails(RowSet rows, int from, int until)
    {
        try
        {
            var scratch = new EvaluatedRows();
            scratch.Start(rows.Rows, _types.Length);
            Run(rows, from, until, scratch);
            return null;
        }
        catch (DuckException e)
        {
            return e;
        }
    }

    internal static string NumberName(CompiledTransform transform)
    {
        var name = "rosetta_row";
        while (transform.Names.Contains(name, StringComparer.OrdinalIgnoreCase))
            name += "_";
        return name;
    }

    public void Dispose()
    {
        // DuckDB keeps the feed with its function until the engine ends; it need not keep the rows as well.
        _feed.Set(new RowSet(0), 0, 0);
        _statement.Dispose();
        _connection.Dispose();
    }
}
