using DuckDB.NET.Native;

namespace Rosetta.Transforms.Engine;

/// <summary>A connection to a <see cref="DuckEngine"/>. Each execution has the engine's time limit. Not thread-safe.</summary>
public sealed class DuckConnection(DuckDBNativeConnection native, EngineLimits limits) : IDisposable
{
    internal DuckDBNativeConnection Native { get; } = native;

    /// <summary>Runs a statement and answers its rows as text; null for NULL. For what is small: settings, DESCRIBE, the parser.</summary>
    /// <exception cref="DuckException">It failed, or took too long.</exception>
    internal IReadOnlyList<string?[]> Query(string sql, params string[] arguments)
    {
        using var prepared = Prepare(sql);
        for (var i = 0; i < arguments.Length; i++)
            NativeMethods.PreparedStatements.DuckDBBindVarchar(prepared.Native, i + 1, arguments[i]);
        var rows = new List<string?[]>();
        prepared.Execute(chunk =>
        {
            for (var row = 0; row < chunk.Rows; row++)
            {
                var values = new string?[chunk.Columns];
                for (var column = 0; column < values.Length; column++)
                    values[column] = chunk.Text(column, row);
                rows.Add(values);
            }
        });
        return rows;
    }

    internal void Run(string sql) => Query(sql);

    /// <exception cref="DuckException">It does not parse or bind.</exception>
    internal DuckStatement Prepare(string sql)
    {
        if (NativeMethods.PreparedStatements.DuckDBPrepare(Native, sql, out var prepared) != DuckDBState.Success)
        {
            var message = NativeMethods.PreparedStatements.DuckDBPrepareError(prepared);
            prepared.Dispose();
            throw new DuckException(message);
        }

        return new DuckStatement(this, prepared);
    }

    /// <summary>Runs <paramref name="work"/> under the time limit.</summary>
    internal void Timed(Action work)
    {
        var expired = 0;
        using (new Timer(
            _ =>
            {
                Volatile.Write(ref expired, 1);
                NativeMethods.Startup.DuckDBInterrupt(Native);
            },
            null, limits.Time, TimeSpan.FromMilliseconds(100)))
        {
            try
            {
                work();
            }
            catch (DuckException e) when (Volatile.Read(ref expired) == 1 && e.Message.StartsWith("INTERRUPT", StringComparison.Ordinal))
            {
                throw new DuckException(
                    FormattableString.Invariant($"It took longer than {limits.Time.TotalSeconds:0.#} s and was interrupted."), isInterrupted: true);
            }
        }
    }

    public void Dispose() => Native.Dispose();
}
