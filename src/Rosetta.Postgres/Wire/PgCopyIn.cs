namespace Rosetta.Postgres.Wire;

/// <summary>
/// Data for COPY ... FROM STDIN, sent as they come. The server's answers are read beside, so an error ends the sending early.
/// Without <see cref="CompleteAsync"/> nothing is copied.
/// </summary>
public sealed class PgCopyIn : IAsyncDisposable
{
    const int SendBytes = 128 * 1024;

    readonly PgConnection _connection;
    readonly WireWriter _writer;
    readonly CopyFrames _frames;
    readonly CancellationTokenSource _stop = new();
    readonly Task<PgResult> _answer;
    bool _ended;

    internal PgCopyIn(PgConnection connection, WireWriter writer)
    {
        _connection = connection;
        _writer = writer;
        _frames = new CopyFrames(writer);
        _answer = ReadAnswerAsync(_stop.Token);
    }

    // The CopyInResponse has been read by whoever made this object.
    async Task<PgResult> ReadAnswerAsync(CancellationToken cancellationToken) =>
        await new ResultReader(_connection).SimpleAsync(isCopyIn: false, cancellationToken);

    /// <summary>Gathers or sends bytes; they need not be whole rows.</summary>
    /// <exception cref="PgServerException">The server has given the COPY up.</exception>
    /// <exception cref="PgConnectionException">The connection is lost.</exception>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        while (bytes.Length > 0)
        {
            int piece = Math.Min(bytes.Length, SendBytes);
            _frames.Write(bytes.Span[..piece]);
            bytes = bytes[piece..];
            if (_writer.Length >= SendBytes)
                await SendAsync(cancellationToken);
        }
    }

    /// <summary>Ends the data and waits for the server's result.</summary>
    /// <exception cref="PgServerException">The COPY failed.</exception>
    /// <exception cref="PgConnectionException">The connection is lost.</exception>
    public async ValueTask<PgResult> CompleteAsync(CancellationToken cancellationToken = default)
    {
        _frames.Close();
        _writer.Empty(Frontend.CopyDone);
        return await FinishAsync(cancellationToken);
    }

    /// <summary>Tells the server to forget the data. The transaction around it, if any, has failed then.</summary>
    public async ValueTask AbortAsync(string reason, CancellationToken cancellationToken = default)
    {
        if (_ended)
            return;
        _writer.Clear();
        _frames.Reset();
        int mark = _writer.Begin(Frontend.CopyFail);
        _writer.WriteString(reason);
        _writer.End(mark);
        try
        {
            await FinishAsync(cancellationToken);
        }
        catch (PgServerException e) when (!e.IsFatal)
        {
            // That is the answer to CopyFail (57014), or an error that came before it.
        }
    }

    async ValueTask SendAsync(CancellationToken cancellationToken)
    {
        if (_ended)
            throw new InvalidOperationException("The COPY has ended.");
        if (_answer.IsCompleted)
        {
            _writer.Clear();
            _frames.Reset();
            await FinishAsync(cancellationToken);
            throw new PgConnectionException($"{_connection.Endpoint} ended the COPY before all data were sent");
        }

        try
        {
            _frames.Close();
            await _connection.FlushAsync(_writer, cancellationToken);
        }
        catch (Exception e)
        {
            await EndAsync(e);
            throw;
        }
    }

    async ValueTask<PgResult> FinishAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (_writer.Length > 0)
                await _connection.FlushAsync(_writer, cancellationToken);
            PgResult result = (await _answer.WaitAsync(cancellationToken)).ThrowIfFailed();
            await EndAsync(null);
            return result;
        }
        catch (Exception e)
        {
            await EndAsync(e);
            throw;
        }
    }

    async ValueTask EndAsync(Exception? failure)
    {
        if (_ended)
            return;
        _ended = true;
        if (failure is not null)
            await _connection.FailAsync(failure);
        if (_connection.IsBroken)
        {
            await _stop.CancelAsync();
            await _answer.ContinueWith(static task => _ = task.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }

        _connection.Exit();
    }

    /// <summary>An unfinished COPY is aborted; the connection stays usable if the server plays along.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_ended && !_connection.IsBroken)
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
            try
            {
                await AbortAsync("given up by the client", limit.Token);
            }
            catch (Exception e) when (e is PgException or OperationCanceledException)
            {
                // The connection is broken now, which whoever uses it next is told.
            }
        }

        await EndAsync(new OperationCanceledException());
        _stop.Dispose();
    }
}
