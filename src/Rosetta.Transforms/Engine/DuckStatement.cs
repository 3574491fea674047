using DuckDB.NET.Native;

namespace Rosetta.Transforms.Engine;

/// <summary>A prepared statement. Executed as a stream: one chunk of rows is in memory at a time.</summary>
sealed class DuckStatement(DuckConnection connection, DuckDBPreparedStatement native) : IDisposable
{
    public DuckDBPreparedStatement Native { get; } = native;

    /// <param name="take">Gets each chunk of rows; the chunk is valid during the call only.</param>
    /// <exception cref="DuckException">It failed, or took too long.</exception>
    public void Execute(Action<DuckChunk> take) => connection.Timed(() => ExecuteCore(take));

    void ExecuteCore(Action<DuckChunk> take)
    {
        var state = NativeMethods.PreparedStatements.DuckDBExecutePreparedStreaming(Native, out var result);
        try
        {
            if (state != DuckDBState.Success)
                throw new DuckException(NativeMethods.Query.DuckDBResultError(ref result));
            while (true)
            {
                using var chunk = NativeMethods.Query.DuckDBFetchChunk(result);
                if (chunk.IsInvalid)
                    break;
                take(new DuckChunk(chunk));
            }

            // A failure in the middle of a stream is told by the result alone.
            var error = NativeMethods.Query.DuckDBResultError(ref result);
            if (!string.IsNullOrEmpty(error))
                throw new DuckException(error);
        }
        finally
        {
            NativeMethods.Query.DuckDBDestroyResult(ref result);
        }
    }

    public void Dispose() => Native.Dispose();
}
