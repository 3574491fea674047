using System.Buffers.Binary;

namespace Rosetta.Postgres.Wire;

public sealed partial class PgConnection
{
    const int CancelRequestCode = 80877102;

    /// <summary>
    /// Runs one simple query (also on a walsender) and returns its result, of several statements the last one's. Values come as text.
    /// </summary>
    /// <exception cref="PgServerException">A statement failed.</exception>
    /// <exception cref="PgConnectionException">The connection is lost.</exception>
    public async ValueTask<PgResult> QueryAsync(string sql, CancellationToken cancellationToken = default)
    {
        Enter();
        try
        {
            await SendQueryAsync(sql, cancellationToken);
            PgResult result = await new ResultReader(this).SimpleAsync(isCopyIn: false, cancellationToken);
            return result.ThrowIfFailed();
        }
        catch (Exception e)
        {
            await FailAsync(e);
            throw;
        }
        finally
        {
            Exit();
        }
    }

    /// <summary>Operations to be sent together; see <see cref="PgPipeline"/>.</summary>
    public PgPipeline CreatePipeline() => new(this);

    /// <summary>Makes a named prepared statement.</summary>
    /// <exception cref="PgServerException">The statement is wrong.</exception>
    public async ValueTask PrepareAsync(string name, string sql, uint[] parameterTypes, CancellationToken cancellationToken = default)
    {
        using PgPipeline pipeline = CreatePipeline();
        pipeline.Prepare(name, sql, parameterTypes);
        (await pipeline.RunAsync(cancellationToken)).ThrowIfFailed();
    }

    /// <summary>Executes a prepared statement; values come in binary form.</summary>
    /// <exception cref="PgServerException">The statement failed.</exception>
    public async ValueTask<PgResult> ExecuteAsync(string name, ReadOnlyMemory<PgParameter> parameters, CancellationToken cancellationToken = default)
    {
        using PgPipeline pipeline = CreatePipeline();
        pipeline.Execute(name, parameters.Span);
        PgPipelineResults results = await pipeline.RunAsync(cancellationToken);
        return results[0].ThrowIfFailed();
    }

    /// <summary>Runs COPY ... TO STDOUT. Dispose of the result before the next operation.</summary>
    /// <exception cref="PgServerException">The statement failed.</exception>
    public async ValueTask<PgCopyOut> CopyOutAsync(string sql, CancellationToken cancellationToken = default)
    {
        await StartCopyAsync(sql, Backend.CopyOutResponse, "COPY ... TO STDOUT", cancellationToken);
        return new PgCopyOut(this);
    }

    /// <summary>Runs COPY ... FROM STDIN for data that is sent bit by bit. Dispose of the result before the next operation.</summary>
    /// <exception cref="PgServerException">The statement failed.</exception>
    public async ValueTask<PgCopyIn> CopyInAsync(string sql, CancellationToken cancellationToken = default)
    {
        await StartCopyAsync(sql, Backend.CopyInResponse, "COPY ... FROM STDIN", cancellationToken);
        return new PgCopyIn(this, _writer);
    }

    /// <summary>Runs START_REPLICATION. Dispose of the result before the next operation.</summary>
    /// <exception cref="PgServerException">The command failed.</exception>
    public async ValueTask<PgCopyBoth> CopyBothAsync(string sql, CancellationToken cancellationToken = default)
    {
        await StartCopyAsync(sql, Backend.CopyBothResponse, "START_REPLICATION", cancellationToken);
        return new PgCopyBoth(this, _reader, _writer);
    }

    /// <summary>
    /// Asks the server, over a connection of its own, to cancel what this connection runs at the moment. It returns when the server has taken
    /// the request; the cancelled operation then fails with SQLSTATE 57014, if it has not ended meanwhile.
    /// </summary>
    /// <exception cref="PgConnectionException">The server cannot be reached.</exception>
    public async Task CancelAsync(CancellationToken cancellationToken = default)
    {
        TlsDemand tls = IsEncrypted ? TlsDemand.Required : TlsDemand.None;
        using PgTransport transport = await PgTransport.ConnectAsync(Endpoint, tls, _options, cancellationToken);
        byte[] request = new byte[16];
        BinaryPrimitives.WriteInt32BigEndian(request, 16);
        BinaryPrimitives.WriteInt32BigEndian(request.AsSpan(4), CancelRequestCode);
        BinaryPrimitives.WriteInt32BigEndian(request.AsSpan(8), ProcessId);
        BinaryPrimitives.WriteInt32BigEndian(request.AsSpan(12), _secretKey);
        try
        {
            await transport.Stream.WriteAsync(request, cancellationToken);
            // The server answers by closing, after it has sent the signal.
            await transport.Stream.CopyToAsync(Stream.Null, cancellationToken);
        }
        catch (IOException e)
        {
            throw new PgConnectionException($"The cancel request to {Endpoint} failed: {e.Message}", e);
        }
    }

    async ValueTask StartCopyAsync(string sql, byte expected, string statement, CancellationToken cancellationToken)
    {
        Enter();
        try
        {
            await SendQueryAsync(sql, cancellationToken);
            PgServerException? error = null;
            while (true)
            {
                WireMessage message = await NextAsync(cancellationToken);
                if (message.Code == expected)
                    return;
                if (message.Code == Backend.Error)
                    error = ErrorOf(message);
                else if (message.Code == Backend.ReadyForQuery && error is not null)
                    throw error;
                // Of a statement before it in the same text.
                else if (message.Code != Backend.CommandComplete)
                    throw new InvalidOperationException($"The statement must be {statement}.");
            }
        }
        catch (Exception e)
        {
            await FailAsync(e);
            Exit();
            throw;
        }
    }

    async ValueTask SendQueryAsync(string sql, CancellationToken cancellationToken)
    {
        _writer.Clear();
        int mark = _writer.Begin(Frontend.Query);
        _writer.WriteString(sql);
        _writer.End(mark);
        await FlushAsync(_writer, cancellationToken);
    }

    internal ValueTask GatherAsync(int bytes, TimeSpan longest) =>
        IsBroken || _transport.OwnThread is not { } stream ? ValueTask.CompletedTask : stream.GatherAsync(bytes, longest);

    internal ValueTask FlushAsync(WireWriter writer, CancellationToken cancellationToken) =>
        writer.FlushAsync(_transport.Stream, Endpoint.ToString(), cancellationToken);

    /// <summary>Claims the connection for one operation.</summary>
    internal void Enter()
    {
        if (IsBroken)
            throw new PgConnectionException($"The connection to {Endpoint} is closed");
        if (Interlocked.CompareExchange(ref _busy, 1, 0) != 0)
            throw new InvalidOperationException("Another operation is under way on this connection.");
    }

    internal void Exit() => Volatile.Write(ref _busy, 0);

    /// <summary>
    /// What follows from a failed operation: nothing after an ordinary error of the server, otherwise the connection is given up.
    /// When the caller cancelled, the server is told, because it does not notice a closed connection while it works.
    /// </summary>
    internal async ValueTask FailAsync(Exception failure)
    {
        if (failure is PgServerException { IsFatal: false } || IsBroken)
            return;
        if (failure is OperationCanceledException)
        {
            using var limit = new CancellationTokenSource(FarewellTime);
            try
            {
                await CancelAsync(limit.Token);
            }
            catch (Exception e) when (e is PgConnectionException or OperationCanceledException)
            {
                // Unreachable: it will find the connection closed instead.
            }
        }

        Break();
    }
}
