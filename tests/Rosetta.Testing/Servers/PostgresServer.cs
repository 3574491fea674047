using Rosetta.Testing.Processes;
using Rosetta.Testing.Waiting;

namespace Rosetta.Testing.Servers;

/// <summary>
/// A private PostgreSQL server on 127.0.0.1, ready for logical replication, under an unprivileged account and in a directory of its
/// own. Disposing it stops it and removes the directory; a server whose owner was killed is ended by the next run.
/// </summary>
public sealed partial class PostgresServer : IAsyncDisposable
{
    /// <summary>The password of <c>postgres</c>, where a password is asked for.</summary>
    public const string Password = "rosetta";

    const int PortAttempts = 5;
    static readonly TimeSpan StartDeadline = TimeSpan.FromSeconds(120);
    static readonly TimeSpan StopDeadline = TimeSpan.FromSeconds(60);

    readonly PostgresServerOptions _options;
    readonly PostgresBinaries _binaries;
    readonly string _directory;
    ProcessIdentity? _process;
    bool _disposed;

    PostgresServer(PostgresServerOptions options, PostgresBinaries binaries, string directory)
    {
        _options = options;
        _binaries = binaries;
        _directory = directory;
        Port = options.Port ?? FreePorts.Next();
    }

    public string Name => _options.Name;

    /// <summary>Major version, e.g. 15.</summary>
    public int Version => _binaries.Version;

    /// <summary>Path of one of its programs (psql, pg_dump, ...).</summary>
    public string Program(string name) => _binaries.Program(name);

    /// <summary>Always 127.0.0.1.</summary>
#pragma warning disable CA1822 // read like Port, of a server
    public string Host => "127.0.0.1";
#pragma warning restore CA1822

    /// <summary>Stays the same over restarts.</summary>
    public int Port { get; private set; }

    /// <summary>The data directory (PGDATA).</summary>
    public string DataDirectory => Path.Combine(_directory, "data");

    /// <summary>The certificate clients may trust, when the server was asked to have TLS.</summary>
    public string? CertificateFile => UsesSsl ? Path.Combine(DataDirectory, "server.crt") : null;

    /// <summary>True while the postmaster lives, frozen or not.</summary>
    public bool IsRunning => _process is { IsAlive: true };

    /// <summary>The postmaster's process id while it runs.</summary>
    public int? ProcessId => IsRunning ? _process?.Id : null;

    bool UsesSsl => _options.Ssl || _options.RequireSsl;

    /// <summary>Makes and starts a server, and returns when it takes connections.</summary>
    /// <exception cref="PostgresServerException">It is not installed or did not start; the text says why, with the server's log.</exception>
    public static async Task<PostgresServer> StartAsync(PostgresServerOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new PostgresServerOptions();
        var binaries = await PostgresBinaries.LocateAsync(options.Version, options.Log, cancellationToken);
        var server = new PostgresServer(options, binaries, await ServerDirectory.CreateAsync(options.Name, cancellationToken));
        try
        {
            await DataDirectoryTemplate.CopyAsync(
                binaries, options.Auth, Password, server.DataDirectory, options.Log, cancellationToken);
            await PostgresConfiguration.WriteAsync(options, server.DataDirectory, server._directory, cancellationToken);
            await server.StartAsync(cancellationToken);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts it again after <see cref="StopAsync"/> or <see cref="CrashAsync"/>, on the same port.</summary>
    public async Task StartAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (IsRunning)
            return;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await ServerAccount.RunAsync(
                    _binaries.Program("pg_ctl"),
                    [
                        "start", "-w", "-t", $"{StartDeadline.TotalSeconds:F0}", "-s",
                        "-D", DataDirectory, "-l", LogFile, "-o", $"-p {Port}"
                    ],
                    cancellationToken);
                break;
            }
            catch (CommandFailedException e)
            {
                // Somebody took the port between the choice and the start; only a port nobody knows yet may change.
                var taken = _process is null && _options.Port is null && LogTail().Contains("Address already in use", StringComparison.Ordinal);
                if (!taken || attempt == PortAttempts)
                    throw new PostgresServerException($"PostgreSQL server {Name} did not start: {e.Message}\n{LogTail()}", e);
                Port = FreePorts.Next();
                File.Delete(LogFile);
            }
        }
        _process = ServerDirectory.FindServer(_directory)
            ?? throw new PostgresServerException($"PostgreSQL server {Name} ended right after its start:\n{LogTail()}");
        Log($"PostgreSQL {Version} {Name} runs on port {Port}, process {_process?.Id}");
    }

    /// <summary>Stops it and waits for its end; the data stays.</summary>
    public async Task StopAsync(PostgresStopMode mode = PostgresStopMode.Fast, CancellationToken cancellationToken = default)
    {
        if (_process is not { IsAlive: true } process)
            return;
        process.Signal(mode switch
        {
            PostgresStopMode.Smart => PosixSignalNumber.Terminate,
            PostgresStopMode.Fast => PosixSignalNumber.Interrupt,
            _ => PosixSignalNumber.Quit
        });
        // A frozen server takes the signal only when it goes on.
        await ThawAsync();
        await Wait.UntilAsync(
            () => !process.IsAlive, $"PostgreSQL server {Name} to stop ({mode}); its log:\n{LogTail()}", StopDeadline, cancellationToken);
        Log($"PostgreSQL {Name} stopped ({mode})");
    }

    /// <summary>Ends it at once without a checkpoint (<c>-m immediate</c>); the next start runs crash recovery.</summary>
    public Task CrashAsync(CancellationToken cancellationToken = default) => StopAsync(PostgresStopMode.Immediate, cancellationToken);

    /// <summary>SIGKILL of the postmaster and all its processes: not even the end of a session is noticed. The next start runs crash recovery.</summary>
    public async Task KillAsync(CancellationToken cancellationToken = default)
    {
        if (_process is not { IsAlive: true } process)
            return;
        // Frozen first: it then forks no more.
        process.Signal(PosixSignalNumber.Stop);
        var all = process.Children().Append(process).ToArray();
        foreach (var one in all)
            one.Signal(PosixSignalNumber.Kill);
        // Until nothing has the id: the next start would take what is left of the dead for a server that runs.
        await Wait.UntilAsync(() => all.All(p => !Directory.Exists($"/proc/{p.Id}")), $"PostgreSQL server {Name} to be gone", StopDeadline, cancellationToken);
        Log($"PostgreSQL {Name} killed");
    }

    public async Task RestartAsync(PostgresStopMode mode = PostgresStopMode.Fast, CancellationToken cancellationToken = default)
    {
        await StopAsync(mode, cancellationToken);
        await StartAsync(cancellationToken);
    }

    /// <summary>Adds settings to postgresql.conf and reloads, or restarts for settings that need it.</summary>
    public async Task ConfigureAsync(
        IReadOnlyDictionary<string, string> settings, bool restart = false, CancellationToken cancellationToken = default)
    {
        await PostgresConfiguration.AppendAsync(settings, DataDirectory, cancellationToken);
        if (restart)
            await RestartAsync(cancellationToken: cancellationToken);
        else
            await ExecuteAsync("SELECT pg_reload_conf()", cancellationToken: cancellationToken);
    }

    /// <summary>
    /// Stops the execution (SIGSTOP) of the postmaster and all its processes: connections stay open and nothing answers, like a
    /// machine that hangs or a network that drops packets.
    /// </summary>
    public Task FreezeAsync()
    {
        var process = _process is { IsAlive: true } p ? p : throw new InvalidOperationException($"PostgreSQL server {Name} is not running");
        // The postmaster first: it then forks no more.
        process.Signal(PosixSignalNumber.Stop);
        foreach (var child in process.Children())
            child.Signal(PosixSignalNumber.Stop);
        Log($"PostgreSQL {Name} frozen");
        return Task.CompletedTask;
    }

    /// <summary>Lets a frozen server go on; does nothing to one that is not.</summary>
    public Task ThawAsync()
    {
        if (_process is { IsAlive: true } process)
        {
            foreach (var child in process.Children())
                child.Signal(PosixSignalNumber.Continue);
            process.Signal(PosixSignalNumber.Continue);
        }
        return Task.CompletedTask;
    }

    /// <summary>The last lines of the server's log; empty when there is none yet.</summary>
    public string LogTail(int lines = 40)
    {
        try
        {
            return string.Join('\n', File.ReadLines(LogFile).TakeLast(lines));
        }
        catch (FileNotFoundException)
        {
            return "";
        }
    }

    /// <summary>The server's log file, in the server's own directory.</summary>
    public string LogFile => Path.Combine(_directory, "log");

    public ValueTask DisposeAsync()
    {
        if (_disposed)
            return ValueTask.CompletedTask;
        _disposed = true;
        return new ValueTask(Task.Run(() =>
        {
            ServerDirectory.Remove(_directory);
            Log($"PostgreSQL {Name} removed");
        }));
    }

    void Log(string text) => _options.Log?.Invoke(text);
}
