using System.Buffers.Binary;
using System.Security.Authentication;
using System.Text;

namespace Rosetta.Postgres.Wire;

/// <summary>
/// A connection of our own to a PostgreSQL server (protocol version 3), for the data path: replication, COPY and pipelined statements over raw bytes.
/// Catalog queries belong on Npgsql. One operation at a time; only <see cref="CancelAsync"/>, and sending in <see cref="PgCopyBoth"/>, may run beside it.
/// An operation that is cancelled, or fails with anything but an ordinary server error, leaves the connection broken.
/// </summary>
public sealed partial class PgConnection : IAsyncDisposable
{
    static readonly TimeSpan FarewellTime = TimeSpan.FromSeconds(2);

    readonly PgTransport _transport;
    readonly WireReader _reader;
    readonly WireWriter _writer;
    readonly PgConnectOptions _options;
    readonly Dictionary<string, string> _parameters = [];
    int _busy;
    int _secretKey;
    int _broken;

    PgConnection(PgEndpoint endpoint, PgTransport transport, PgConnectOptions options)
    {
        Endpoint = endpoint;
        _transport = transport;
        _options = options;
        _reader = new WireReader(transport.Stream, endpoint.ToString(), options.ReadBufferBytes);
        _writer = new WireWriter();
    }

    public PgEndpoint Endpoint { get; }

    /// <summary>Process id of the server's backend, as in pg_stat_activity.</summary>
    public int ProcessId { get; private set; }

    /// <summary>What the server reports about its settings (server_version, TimeZone, ...); kept up to date.</summary>
    public IReadOnlyDictionary<string, string> Parameters => _parameters;

    /// <summary>Major version of the server, for example 15.</summary>
    public int ServerVersion { get; private set; }

    public bool IsEncrypted => _transport.IsEncrypted;

    /// <summary>True once the connection is of no use any more; all that is left is to dispose of it.</summary>
    public bool IsBroken => Volatile.Read(ref _broken) != 0;

    /// <summary>The transaction's state after the last finished operation.</summary>
    public PgTransactionStatus TransactionStatus { get; private set; } = PgTransactionStatus.Idle;

    /// <summary>Connects and authenticates.</summary>
    /// <exception cref="PgConnectionException">Nobody answers, TLS cannot be agreed on, or no supported way of authentication.</exception>
    /// <exception cref="PgServerException">The server refuses: wrong password, unknown database, too many connections, starting up.</exception>
    public static async ValueTask<PgConnection> OpenAsync(
        PgEndpoint endpoint, PgConnectOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        options ??= PgConnectOptions.Default;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(options.ConnectTimeout);
        try
        {
            return await OpenInModeAsync(endpoint, options, limit.Token);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new PgConnectionException($"{endpoint} did not answer within {options.ConnectTimeout.TotalSeconds:0.#} s", e);
        }
    }

    static async ValueTask<PgConnection> OpenInModeAsync(PgEndpoint endpoint, PgConnectOptions options, CancellationToken cancellationToken)
    {
        TlsDemand first = endpoint.SslMode switch
        {
            PgSslMode.Disable or PgSslMode.Allow => TlsDemand.None,
            PgSslMode.Prefer => TlsDemand.IfOffered,
            _ => TlsDemand.Required,
        };
        try
        {
            return await OpenOnceAsync(endpoint, first, options, cancellationToken);
        }
        catch (PgServerException e) when (endpoint.SslMode == PgSslMode.Allow && !endpoint.IsUnixSocket && e.SqlState == "28000")
        {
            return await OpenOnceAsync(endpoint, TlsDemand.Required, options, cancellationToken);
        }
        catch (PgException e) when (endpoint.SslMode == PgSslMode.Prefer && !endpoint.IsUnixSocket
            && (e is PgServerException { SqlState: "28000" } || e.InnerException is AuthenticationException))
        {
            return await OpenOnceAsync(endpoint, TlsDemand.None, options, cancellationToken);
        }
    }

    static async ValueTask<PgConnection> OpenOnceAsync(
        PgEndpoint endpoint, TlsDemand tls, PgConnectOptions options, CancellationToken cancellationToken)
    {
        PgTransport transport = await PgTransport.ConnectAsync(endpoint, tls, options, cancellationToken);
        var connection = new PgConnection(endpoint, transport, options);
        try
        {
            await new PgStartup(endpoint, transport, connection._reader, connection._writer).AuthenticateAsync(cancellationToken);
            await connection.BecomeReadyAsync(cancellationToken);
            return connection;
        }
        catch
        {
            connection.Break();
            throw;
        }
    }

    async ValueTask BecomeReadyAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            WireMessage message = await NextAsync(cancellationToken);
            switch (message.Code)
            {
                case Backend.ReadyForQuery:
                    return;
                case Backend.KeyData:
                    ProcessId = BinaryPrimitives.ReadInt32BigEndian(message.Body);
                    _secretKey = BinaryPrimitives.ReadInt32BigEndian(message.Body[4..]);
                    break;
                case Backend.Error:
                    throw new PgServerException(PgServerMessage.Parse(message.Body));
                default:
                    throw Unexpected(message, "at start");
            }
        }
    }

    /// <summary>The next message that concerns the operation; notices and changed settings are dealt with here.</summary>
    internal ValueTask<WireMessage> NextAsync(CancellationToken cancellationToken)
    {
        // Rows come by the million, and most of them are there already.
        while (_reader.TryRead(out WireMessage message))
        {
            if (!TakeAside(message))
                return ValueTask.FromResult(message);
        }

        return WaitAsync(cancellationToken);
    }

    async ValueTask<WireMessage> WaitAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            WireMessage message = await _reader.NextAsync(cancellationToken);
            if (!TakeAside(message))
                return message;
        }
    }

    /// <summary>Takes what may come at any time: notice, notification, changed setting; and remembers the transaction's state.</summary>
    internal bool TakeAside(WireMessage message)
    {
        switch (message.Code)
        {
            case Backend.Notice:
                _options.OnNotice?.Invoke(PgServerMessage.Parse(message.Body));
                return true;
            case Backend.Notification:
                return true;
            case Backend.ParameterStatus:
                string[] parts = Encoding.UTF8.GetString(message.Body).Split('\0');
                _parameters[parts[0]] = parts[1];
                if (parts[0] == "server_version")
                    ServerVersion = MajorVersion(parts[1]);
                return true;
            case Backend.ReadyForQuery:
                TransactionStatus = message.Body[0] switch
                {
                    (byte)'I' => PgTransactionStatus.Idle,
                    (byte)'T' => PgTransactionStatus.InTransaction,
                    _ => PgTransactionStatus.Failed,
                };
                return false;
            default:
                return false;
        }
    }

    // "15.18 (Debian 15.18-0+deb12u1)", "18beta1"
    static int MajorVersion(string version)
    {
        int digits = 0;
        while (digits < version.Length && char.IsAsciiDigit(version[digits]))
            digits++;
        return int.TryParse(version.AsSpan(0, digits), out int major) ? major : 0;
    }

    /// <summary>The error in a message; one that closes the connection is thrown at once, nothing follows it.</summary>
    internal static PgServerException ErrorOf(WireMessage message)
    {
        var error = new PgServerException(PgServerMessage.Parse(message.Body));
        return error.IsFatal ? throw error : error;
    }

    internal PgConnectionException Unexpected(WireMessage message, string when) =>
        new($"{Endpoint} sent a message that does not belong there ('{(char)message.Code}' {when})");

    /// <summary>Gives the connection up at once. What is under way on it fails.</summary>
    internal void Break()
    {
        if (Interlocked.Exchange(ref _broken, 1) == 0)
            _transport.Dispose();
    }

    /// <summary>Says goodbye and closes. An operation that is still under way fails.</summary>
    public async ValueTask DisposeAsync()
    {
        if (IsBroken || Interlocked.CompareExchange(ref _busy, 1, 0) != 0)
        {
            // Somebody may still read into the buffers; they are left to the garbage collector.
            Break();
            return;
        }

        using var limit = new CancellationTokenSource(FarewellTime);
        try
        {
            _writer.Clear();
            _writer.Empty(Frontend.Terminate);
            await FlushAsync(_writer, limit.Token);
        }
        catch (Exception e) when (e is PgConnectionException or OperationCanceledException)
        {
            // The server is gone already; closing is all that was wanted.
        }

        Break();
        _reader.Dispose();
        _writer.Dispose();
    }
}

/// <summary>What ReadyForQuery says about the transaction.</summary>
public enum PgTransactionStatus
{
    Idle,
    InTransaction,

    /// <summary>In a transaction that failed: only ROLLBACK is possible.</summary>
    Failed,
}
