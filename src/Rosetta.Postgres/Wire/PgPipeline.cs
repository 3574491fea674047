namespace Rosetta.Postgres.Wire;

/// <summary>
/// Operations that are sent together and answered in order: one round trip for many statements. Queue them, then <see cref="RunAsync"/>; after it
/// the pipeline is empty and can be filled again. Filling needs nothing of the connection, so a next pipeline can be filled while one runs.
/// <para>
/// Every <see cref="Query"/> and COPY stands for itself: when one fails the next is still tried (inside a failed transaction it fails with 25P02, and a
/// COMMIT answers ROLLBACK). Consecutive <see cref="Prepare"/> and <see cref="Execute"/> form a group: after a failure the rest of the group is skipped.
/// A group ends with <see cref="Sync"/>, the next query or COPY, or the pipeline; outside of BEGIN a group is a transaction of its own.
/// </para>
/// </summary>
public sealed class PgPipeline : IDisposable
{
    readonly PgConnection _connection;
    readonly WireWriter _writer;
    readonly PgCopyBuffer _copy;
    readonly PgBindWriter _bind;
    readonly List<Kind> _steps = [];
    bool _groupIsOpen;
    bool _running;

    internal PgPipeline(PgConnection connection)
    {
        _connection = connection;
        _writer = new WireWriter(kept: 4 * 1024 * 1024);
        _copy = new PgCopyBuffer(_writer);
        _bind = new PgBindWriter(_writer);
    }

    /// <summary>Operations queued so far.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes queued so far.</summary>
    public int QueuedBytes => _writer.Length;

    /// <summary>Queues a simple query; several statements in one text are one implicit transaction, and the last one's result counts.</summary>
    /// <returns>The operation's number in the results.</returns>
    public int Query(string sql)
    {
        EndGroup();
        WriteQuery(sql);
        return Add(Kind.Query);
    }

    /// <summary>Queues COPY ... FROM STDIN with all its data, without waiting for the server to agree. The bytes are copied.</summary>
    /// <returns>The operation's number in the results; its row count is that of the rows copied.</returns>
    public int CopyIn(string sql, ReadOnlyMemory<byte> data)
    {
        PgCopyBuffer copy = BeginCopyIn(sql, out int operation);
        copy.Write(data.Span);
        copy.Complete();
        return operation;
    }

    /// <inheritdoc cref="CopyIn(string, ReadOnlyMemory{byte})"/>
    public int CopyIn(string sql, IEnumerable<ReadOnlyMemory<byte>> chunks)
    {
        ArgumentNullException.ThrowIfNull(chunks);
        PgCopyBuffer copy = BeginCopyIn(sql, out int operation);
        foreach (ReadOnlyMemory<byte> chunk in chunks)
            copy.Write(chunk.Span);
        copy.Complete();
        return operation;
    }

    /// <summary>Queues COPY ... FROM STDIN; its data are written to what is returned, ended with <see cref="PgCopyBuffer.Complete"/>.</summary>
    public PgCopyBuffer BeginCopyIn(string sql, out int operation)
    {
        EndGroup();
        WriteQuery(sql);
        operation = Add(Kind.CopyIn);
        _copy.Open();
        return _copy;
    }

    /// <summary>Queues the making of a named prepared statement (an empty name is replaced by the next one of that name).</summary>
    /// <param name="parameterTypes">OIDs of the parameters' types; 0 or missing lets the server infer one.</param>
    public int Prepare(string name, string sql, params ReadOnlySpan<uint> parameterTypes)
    {
        CheckIdle();
        int mark = _writer.Begin(Frontend.Parse);
        _writer.WriteString(name);
        _writer.WriteString(sql);
        _writer.WriteInt16((short)parameterTypes.Length);
        foreach (uint type in parameterTypes)
            _writer.WriteInt32((int)type);
        _writer.End(mark);
        _groupIsOpen = true;
        return Add(Kind.Prepare);
    }

    /// <summary>Queues the execution of a prepared statement.</summary>
    /// <param name="binaryResults">Whether result values come in binary form; otherwise as text.</param>
    public int Execute(string statement, ReadOnlySpan<PgParameter> parameters, bool binaryResults = true)
    {
        PgBindWriter bind = BeginExecute(statement, parameters.Length, out int operation, binaryResults);
        foreach (ref readonly PgParameter parameter in parameters)
            bind.Write(in parameter);
        bind.Complete();
        return operation;
    }

    /// <summary>Queues the execution of a prepared statement; its parameters are written to what is returned, ended with <see cref="PgBindWriter.Complete"/>.</summary>
    public PgBindWriter BeginExecute(string statement, int parameterCount, out int operation, bool binaryResults = true)
    {
        CheckIdle();
        _bind.Open(statement, parameterCount, binaryResults);
        _groupIsOpen = true;
        operation = Add(Kind.Execute);
        return _bind;
    }

    /// <summary>Ends a group of <see cref="Prepare"/> and <see cref="Execute"/>: what follows is tried even if something in the group failed.</summary>
    public void Sync()
    {
        if (_groupIsOpen)
            EndGroup();
    }

    /// <summary>Forgets everything that is queued.</summary>
    public void Clear()
    {
        _writer.Clear();
        _copy.Abandon();
        _bind.Abandon();
        _steps.Clear();
        _groupIsOpen = false;
        Count = 0;
    }

    /// <summary>
    /// Sends what is queued and reads the answers meanwhile (so that neither side waits for the other with full buffers). A failed statement is an
    /// <see cref="PgResult.Error"/> of its result, not an exception.
    /// </summary>
    /// <exception cref="PgConnectionException">The connection is lost; what the server still did is unknown.</exception>
    /// <exception cref="PgServerException">The server ended the connection with this message.</exception>
    public async ValueTask<PgPipelineResults> RunAsync(CancellationToken cancellationToken = default)
    {
        EndGroup();
        if (Count == 0)
            return new PgPipelineResults([]);
        _connection.Enter();
        _running = true;
        try
        {
            Task sending = _connection.FlushAsync(_writer, cancellationToken).AsTask();
            try
            {
                PgResult[] results = await ReadAsync(cancellationToken);
                await sending;
                return new PgPipelineResults(results);
            }
            catch (Exception e)
            {
                await _connection.FailAsync(e);
                // With the connection gone the send ends too; what it says is a consequence of the failure that is thrown.
                await sending.ContinueWith(static task => _ = task.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
                throw;
            }
        }
        finally
        {
            _running = false;
            Clear();
            _connection.Exit();
        }
    }

    async ValueTask<PgResult[]> ReadAsync(CancellationToken cancellationToken)
    {
        var results = new PgResult[Count];
        int next = 0;
        PgServerException? groupError = null;
        foreach (Kind step in _steps)
        {
            var reader = new ResultReader(_connection);
            switch (step)
            {
                case Kind.Sync:
                    await reader.SimpleAsync(isCopyIn: false, cancellationToken);
                    groupError = null;
                    break;
                case Kind.Query or Kind.CopyIn:
                    results[next++] = await reader.SimpleAsync(step == Kind.CopyIn, cancellationToken);
                    break;
                case var _ when groupError is not null:
                    results[next++] = PgResult.Failed(groupError, isSkipped: true);
                    break;
                default:
                    PgResult result = step == Kind.Prepare ? await reader.ParseAsync(cancellationToken) : await reader.ExecuteAsync(cancellationToken);
                    groupError = result.Error;
                    results[next++] = result;
                    break;
            }
        }

        return results;
    }

    int Add(Kind kind)
    {
        _steps.Add(kind);
        return Count++;
    }

    void WriteQuery(string sql)
    {
        int mark = _writer.Begin(Frontend.Query);
        _writer.WriteString(sql);
        _writer.End(mark);
    }

    void EndGroup()
    {
        CheckIdle();
        if (!_groupIsOpen)
            return;
        _writer.Empty(Frontend.Sync);
        _steps.Add(Kind.Sync);
        _groupIsOpen = false;
    }

    void CheckIdle()
    {
        if (_running)
            throw new InvalidOperationException("The pipeline is running.");
        if (_copy.IsOpen || _bind.IsOpen)
            throw new InvalidOperationException("The operation begun before is not completed.");
    }

    public void Dispose()
    {
        // A send that was given up may still hold the buffer; then the garbage collector takes it.
        if (!_running && !_connection.IsBroken)
            _writer.Dispose();
    }

    enum Kind
    {
        Query,
        CopyIn,
        Prepare,
        Execute,
        Sync,
    }
}
