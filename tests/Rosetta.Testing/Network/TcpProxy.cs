using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Rosetta.Testing.Processes;

namespace Rosetta.Testing.Network;

/// <summary>
/// Stands between a client and a server on 127.0.0.1 and makes the network bad: cuts, refuses, delays, throttles, stalls. Memory per
/// connection is bounded (1 MB in each direction).
/// </summary>
public sealed class TcpProxy : IAsyncDisposable
{
    readonly ConcurrentDictionary<ProxiedConnection, Task> _connections = new();
    readonly CancellationTokenSource _disposing = new();
    readonly Lock _guard = new();
    readonly Action<string>? _log;
    volatile Socket? _listener;
    long _accepted;

    TcpProxy(string targetHost, int targetPort, int? port, Action<string>? log)
    {
        Target = new DnsEndPoint(targetHost, targetPort, AddressFamily.InterNetwork);
        Port = port ?? FreePorts.Next();
        _log = log;
    }

    /// <summary>Always 127.0.0.1.</summary>
#pragma warning disable CA1822 // read like Port, of a proxy
    public string Host => "127.0.0.1";
#pragma warning restore CA1822

    public int Port { get; }

    /// <summary>Where new connections are forwarded to; may be changed while it runs, e.g. to a promoted standby.</summary>
    public DnsEndPoint Target { get; set; }

    /// <summary>Client to server.</summary>
    public TrafficShape ToTarget { get; } = new();

    /// <summary>Server to client.</summary>
    public TrafficShape ToClient { get; } = new();

    /// <summary>Connections open now.</summary>
    public int OpenConnections => _connections.Count;

    /// <summary>Connections accepted since the start.</summary>
    public long AcceptedConnections => Interlocked.Read(ref _accepted);

    /// <summary>Starts a proxy to the target; it takes connections at once, whether the target lives or not.</summary>
    public static TcpProxy Start(string targetHost, int targetPort, int? port = null, Action<string>? log = null)
    {
        var proxy = new TcpProxy(targetHost, targetPort, port, log);
        proxy.Accept();
        return proxy;
    }

    /// <summary>Resets every open connection (RST), as a failing network device does; new ones are taken. How many were cut.</summary>
    public int Cut()
    {
        var cut = 0;
        foreach (var connection in _connections.Keys)
        {
            connection.Cut();
            cut++;
        }
        _log?.Invoke($"proxy {Port}: {cut} connections cut");
        return cut;
    }

    /// <summary>New connections are refused from now on; open ones live.</summary>
    public void Refuse()
    {
        lock (_guard)
        {
            _listener?.Dispose();
            _listener = null;
        }
        _log?.Invoke($"proxy {Port}: refuses connections");
    }

    /// <summary>Takes new connections again, on the same port.</summary>
    public void Accept()
    {
        lock (_guard)
        {
            ObjectDisposedException.ThrowIf(_disposing.IsCancellationRequested, this);
            if (_listener is not null)
                return;
            var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(new IPEndPoint(IPAddress.Loopback, Port));
            listener.Listen(128);
            _listener = listener;
            _ = AcceptLoopAsync(listener);
        }
    }

    /// <summary>Delays both directions by this much: a round trip takes twice as long. Zero ends it.</summary>
    public void Delay(TimeSpan oneWay)
    {
        ToTarget.Delay = oneWay;
        ToClient.Delay = oneWay;
    }

    /// <summary>Limits each connection's rate in both directions; null ends it.</summary>
    public void Throttle(long? bytesPerSecond)
    {
        ToTarget.BytesPerSecond = bytesPerSecond;
        ToClient.BytesPerSecond = bytesPerSecond;
    }

    /// <summary>Takes data and forwards nothing, both ways: a network that drops every packet.</summary>
    public void Stall()
    {
        ToTarget.Stall();
        ToClient.Stall();
        _log?.Invoke($"proxy {Port}: stalled");
    }

    /// <summary>Forwards what <see cref="Stall"/> held back, and goes on.</summary>
    public void Resume()
    {
        ToTarget.Resume();
        ToClient.Resume();
        _log?.Invoke($"proxy {Port}: resumed");
    }

    public async ValueTask DisposeAsync()
    {
        lock (_guard)
        {
            if (_disposing.IsCancellationRequested)
                return;
            _disposing.Cancel();
            _listener?.Dispose();
            _listener = null;
        }
        var running = _connections.ToArray();
        foreach (var (connection, _) in running)
            connection.Cut();
        await Task.WhenAll(running.Select(c => c.Value));
    }

    async Task AcceptLoopAsync(Socket listener)
    {
        while (true)
        {
            Socket client;
            try
            {
                client = await listener.AcceptAsync(_disposing.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
            {
                if (e is SocketException { SocketErrorCode: SocketError.ConnectionReset or SocketError.ConnectionAborted })
                    continue;
                return;
            }
            Interlocked.Increment(ref _accepted);
            _ = ServeAsync(client, listener);
        }
    }

    async Task ServeAsync(Socket client, Socket listener)
    {
        var target = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        client.NoDelay = true;
        try
        {
            await target.ConnectAsync(Target, _disposing.Token);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            client.LingerState = new LingerOption(true, 0);
            client.Dispose();
            target.Dispose();
            _log?.Invoke($"proxy {Port}: {Target.Host}:{Target.Port} is not reachable: {e.Message}");
            return;
        }
        var connection = new ProxiedConnection(client, target, ToTarget, ToClient);
        var finished = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _connections[connection] = finished.Task;
        // Taken before, and made after, a refusal: Refuse and then Cut leaves nothing open.
        if (_disposing.IsCancellationRequested || _listener != listener)
            connection.Cut();
        try
        {
            await connection.RunAsync();
        }
        finally
        {
            _connections.TryRemove(connection, out _);
            finished.SetResult();
        }
    }
}
