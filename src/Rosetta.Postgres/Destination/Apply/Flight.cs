using Rosetta.Postgres.Destination.Statements;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Apply;

/// <summary>Operations that are sent together, with what each of them is about.</summary>
sealed class Flight(PgConnection connection) : IDisposable
{
    readonly PgPipeline _pipeline = connection.CreatePipeline();
    readonly List<Step> _steps = [];
    readonly List<(PreparedSql Statement, int Operation)> _preparing = [];

    public IReadOnlyList<Step> Steps => _steps;

    /// <summary>What is queued from now on is of this run.</summary>
    public int Run { get; set; }

    public bool IsEmpty => _pipeline.Count == 0;

    public int Bytes => _pipeline.QueuedBytes;

    /// <summary>Queues a statement without parameters. <paramref name="step"/> is completed with the operation's number.</summary>
    public void Query(string sql, Step step) => _steps.Add(step with { Operation = _pipeline.Query(sql), Run = Run });

    /// <summary>Queues a COPY; its data go to what is returned, with header and trailer.</summary>
    public PgCopyBuffer Copy(string sql, Step step)
    {
        var buffer = _pipeline.BeginCopyIn(sql, out var operation);
        _steps.Add(step with { Operation = operation, Run = Run });
        CopyRows.WriteHeader(buffer);
        return buffer;
    }

    public static void EndCopy(PgCopyBuffer buffer)
    {
        CopyRows.WriteTrailer(buffer);
        buffer.Complete();
    }

    /// <summary>Queues a prepared statement, preparing it first when the server does not have it.</summary>
    public PgBindWriter Execute(PreparedSql statement, int parameters, Step step)
    {
        if (!statement.IsPrepared)
        {
            var prepare = _pipeline.Prepare(statement.Name, statement.Sql);
            _steps.Add(step with { Operation = prepare, Kind = StepKind.Plain, Run = Run });
            _preparing.Add((statement, prepare));
            statement.IsPrepared = true;
        }

        var bind = _pipeline.BeginExecute(statement.Name, parameters, out var operation, binaryResults: false);
        _steps.Add(step with { Operation = operation, Run = Run });
        return bind;
    }

    /// <summary>Sends everything and waits for the answers. The flight keeps its steps until <see cref="Clear"/>.</summary>
    public async Task<PgPipelineResults> RunAsync(CancellationToken cancellationToken)
    {
        var results = await _pipeline.RunAsync(cancellationToken);
        foreach (var (statement, operation) in _preparing)
            statement.IsPrepared = results[operation].Error is null;
        _preparing.Clear();
        return results;
    }

    /// <summary>Forgets what was queued or has run.</summary>
    public void Clear()
    {
        foreach (var (statement, _) in _preparing)
            statement.IsPrepared = false;
        _preparing.Clear();
        _steps.Clear();
        _pipeline.Clear();
    }

    public void Dispose() => _pipeline.Dispose();
}
