using System.Runtime.CompilerServices;

namespace Rosetta.Postgres.Wire;

/// <summary>
/// The two-way stream of START_REPLICATION. One reader; sending may happen at any time from any thread.
/// Read with <see cref="TryRead"/> until it has nothing more, then <see cref="FillAsync"/>.
/// </summary>
public sealed class PgCopyBoth : IAsyncDisposable
{
    readonly PgConnection _connection;
    readonly WireReader _reader;
    readonly WireWriter _writer;
    readonly SemaphoreSlim _sending = new(1, 1);
    volatile bool _ended;
    bool _doneSent;

    internal PgCopyBoth(PgConnection connection, WireReader reader, WireWriter writer)
    {
        _connection = connection;
        _reader = reader;
        _writer = writer;
    }

    /// <summary>True once the server has ended the stream; the connection can be used for other commands then.</summary>
    public bool IsEnded => _ended;

    /// <summary>Takes the next message's payload if it has arrived. It is valid until <see cref="FillAsync"/>.</summary>
    /// <exception cref="PgServerException">The server ended the stream with an error.</exception>
    public bool TryRead(out ReadOnlySpan<byte> payload)
    {
        while (!_ended && _reader.TryRead(out WireMessage message))
        {
            if (message.Code == Backend.CopyData)
            {
                payload = message.Body;
                return true;
            }

            Other(message);
        }

        payload = default;
        return false;
    }

    void Other(WireMessage message)
    {
        if (_connection.TakeAside(message))
            return;
        switch (message.Code)
        {
            case Backend.CopyDone or Backend.CommandComplete:
                break;
            case Backend.ReadyForQuery:
                End();
                break;
            case Backend.Error:
                // A walsender that fails in the middle of a stream is not worth keeping: it may still be shutting its output down.
                var error = new PgServerException(PgServerMessage.Parse(message.Body));
                Break();
                throw error;
            default:
                Break();
                throw _connection.Unexpected(message, "in a replication stream");
        }
    }

    /// <summary>Reads what the socket has, at least one byte; completes at once if something is there.</summary>
    /// <exception cref="PgConnectionException">The connection is lost.</exception>
    public ValueTask FillAsync(CancellationToken cancellationToken = default)
    {
        ValueTask fill = _reader.FillAsync(cancellationToken);
        return fill.IsCompletedSuccessfully ? fill : WaitAsync(fill);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    async ValueTask WaitAsync(ValueTask fill)
    {
        try
        {
            await fill;
        }
        catch
        {
            Break();
            throw;
        }
    }

    /// <summary>
    /// Lets bytes gather in the socket's receive buffer, encrypted ones where TLS is used: until there are so many, or for so long. Returns at once on
    /// a connection without a thread of its own.
    /// </summary>
    internal ValueTask GatherAsync(int bytes, TimeSpan longest) => _connection.GatherAsync(bytes, longest);

    /// <summary>Sends one message, for example a standby status update.</summary>
    /// <exception cref="PgConnectionException">The connection is lost.</exception>
    public async ValueTask SendAsync(ReadOnlyMemory<byte> payload, CancellationToken cancellationToken = default)
    {
        await _sending.WaitAsync(cancellationToken);
        try
        {
            if (_doneSent || _ended)
                return;
            int mark = _writer.Begin(Frontend.CopyData);
            _writer.Write(payload.Span);
            _writer.End(mark);
            await FlushAsync();
        }
        catch
        {
            Break();
            throw;
        }
        finally
        {
            _sending.Release();
        }
    }

    /// <summary>
    /// Tells the server that the stream shall end. The reader goes on reading: the server first sends what it is in the middle of, then
    /// <see cref="IsEnded"/> becomes true.
    /// </summary>
    public async ValueTask SendDoneAsync(CancellationToken cancellationToken = default)
    {
        await _sending.WaitAsync(cancellationToken);
        try
        {
            if (_doneSent || _ended)
                return;
            _doneSent = true;
            _writer.Empty(Frontend.CopyDone);
            await FlushAsync();
        }
        catch
        {
            Break();
            throw;
        }
        finally
        {
            _sending.Release();
        }
    }

    // A message that is sent in part would end the stream for both sides, so the send itself is not cancelled; cutting the connection ends it.
    ValueTask FlushAsync() => _connection.FlushAsync(_writer, CancellationToken.None);

    void Break()
    {
        _connection.Break();
        End();
    }

    void End()
    {
        if (_ended)
            return;
        _ended = true;
        _connection.Exit();
    }

    /// <summary>A stream that has not ended is cut: the connection is closed.</summary>
    public ValueTask DisposeAsync()
    {
        if (!_ended)
            Break();
        return ValueTask.CompletedTask;
    }
}
