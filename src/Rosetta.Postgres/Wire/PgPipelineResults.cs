namespace Rosetta.Postgres.Wire;

/// <summary>The results of a pipeline's operations, by the numbers its methods returned.</summary>
public sealed class PgPipelineResults
{
    readonly PgResult[] _results;

    internal PgPipelineResults(PgResult[] results) => _results = results;

    public int Count => _results.Length;

    public PgResult this[int operation] => _results[operation];

    /// <summary>
    /// The number of the first operation that failed, -1 if none did. In a transaction the later failures are its consequences (SQLSTATE 25P02).
    /// </summary>
    public int FirstFailed => Array.FindIndex(_results, result => result.Error is not null);

    /// <summary>Returns these results, or throws the first error among them.</summary>
    /// <exception cref="PgServerException">An operation failed.</exception>
    public PgPipelineResults ThrowIfFailed()
    {
        int failed = FirstFailed;
        if (failed >= 0)
            _results[failed].ThrowIfFailed();
        return this;
    }
}
