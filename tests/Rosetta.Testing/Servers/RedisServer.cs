using System.Net.Sockets;
using System.Text;
using Rosetta.Testing.Processes;
using Rosetta.Testing.Waiting;

namespace Rosetta.Testing.Servers;

/// <summary>What kind of private Redis server is wanted.</summary>
public sealed record RedisServerOptions
{
    /// <summary>Names the server in logs and in its directory; letters, digits, '-' and '_'.</summary>
    public string Name { get; init; } = "redis";

    /// <summary>TCP port on 127.0.0.1; null: a free one.</summary>
    public int? Port { get; init; }

    /// <summary>True: an append-only file with fsync of every write, so that data survives <see cref="RedisServer.KillAsync"/>.</summary>
    public bool Durable { get; init; }

    /// <summary>Null: none is asked for.</summary>
    public string? Password { get; init; }

    /// <summary>redis.conf settings (<c>maxmemory</c>, <c>maxmemory-policy</c>, ...); they win over the kit's own.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>Where the kit says what it does.</summary>
    public Action<string>? Log { get; init; }
}

/// <summary>A private Redis server on 127.0.0.1, Debian's <c>redis-server</c>. Disposing it stops it and removes its directory.</summary>
public sealed class RedisServer : IAsyncDisposable
{
    readonly RedisServerOptions _options;
    readonly string _directory;
    ChildProcess? _process;

    RedisServer(RedisServerOptions options, string directory)
    {
        _options = options;
        _directory = directory;
        Port = options.Port ?? FreePorts.Next();
    }

    /// <summary>Always 127.0.0.1.</summary>
#pragma warning disable CA1822 // read like Port, of a server
    public string Host => "127.0.0.1";
#pragma warning restore CA1822

    /// <summary>Stays the same over restarts.</summary>
    public int Port { get; }

    /// <summary>While it runs.</summary>
    public int? ProcessId => _process is { HasExited: false } process ? process.Id : null;

    public bool IsRunning => _process is { HasExited: false };

    /// <summary>For StackExchange.Redis.</summary>
    public string ConnectionString => $"{Host}:{Port},allowAdmin=true" + (_options.Password is null ? "" : $",password={_options.Password}");

    /// <exception cref="ChildProcessException">It is not installed (<c>apt-get install redis-server</c>) or ended at once.</exception>
    public static async Task<RedisServer> StartAsync(RedisServerOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new RedisServerOptions();
        var server = new RedisServer(options, await ServerDirectory.CreateAsync(options.Name, cancellationToken));
        try
        {
            await server.StartAsync(cancellationToken);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts it again after a stop, on the same port.</summary>
    public async Task StartAsync(CancellationToken cancellationToken = default)
    {
        if (IsRunning)
            return;
        if (_process is { } ended)
            await ended.DisposeAsync();
        string[] arguments =
        [
            "--port", $"{Port}", "--bind", Host, "--dir", _directory, "--save", "", "--daemonize", "no",
            .. _options.Durable ? new[] { "--appendonly", "yes", "--appendfsync", "always" } : [],
            .. _options.Password is { } password ? new[] { "--requirepass", password } : [],
            .. _options.Settings.SelectMany(setting => new[] { $"--{setting.Key}", setting.Value })
        ];
        // As the servers' account; setpriv becomes the program, so the process is the server itself.
        var (program, before) = ServerAccount.IsRoot
            ? ("setpriv", ServerAccount.SetPriv("redis-server"))
            : ("redis-server", Array.Empty<string>());
        var process = ChildProcess.Start(new ChildProcessOptions
        {
            Name = _options.Name,
            Program = program,
            Arguments = [.. before, .. arguments],
            WorkingDirectory = _directory,
            Log = _options.Log
        });
        _process = process;
        await process.WaitForLineAsync("Ready to accept connections");
        await Wait.UntilAsync(() => PingAsync(cancellationToken), $"Redis server {_options.Name} to answer", cancellationToken: cancellationToken);
    }

    /// <summary>SIGTERM; what was written is saved if durable.</summary>
    public async Task StopAsync()
    {
        if (_process is { HasExited: false } process)
            await process.StopAsync();
    }

    /// <summary>SIGKILL.</summary>
    public async Task KillAsync()
    {
        if (_process is { HasExited: false } process)
            await process.KillAsync();
    }

    /// <summary>SIGSTOP: connections stay open and nothing answers.</summary>
    public void Freeze() => _process?.Freeze();

    /// <summary>SIGCONT.</summary>
    public void Thaw() => _process?.Thaw();

    public async ValueTask DisposeAsync()
    {
        if (_process is { } process)
            await process.DisposeAsync();
        _process = null;
        ServerDirectory.Remove(_directory);
    }

    // Any answer will do: +PONG, or -NOAUTH when it wants a password.
    async Task<bool> PingAsync(CancellationToken cancellationToken)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(Host, Port, cancellationToken);
        var stream = client.GetStream();
        await stream.WriteAsync("PING\r\n"u8.ToArray(), cancellationToken);
        var answer = new byte[16];
        var count = await stream.ReadAsync(answer, cancellationToken);
        return Encoding.ASCII.GetString(answer, 0, count) is ['+' or '-', ..] text
            && (text.StartsWith("+PONG", StringComparison.Ordinal) || text.StartsWith("-NOAUTH", StringComparison.Ordinal));
    }
}
