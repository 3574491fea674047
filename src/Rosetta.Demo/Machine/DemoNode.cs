using Rosetta.Client;
using Rosetta.Testing.Processes;

namespace Rosetta.Demo.Machine;

/// <summary>The node's process: started with nothing but its environment, killed and started again.</summary>
sealed class DemoNode(DemoPorts ports, string configDatabaseUrl, DemoFolder folder) : IAsyncDisposable
{
    static readonly TimeSpan ReadyDeadline = TimeSpan.FromSeconds(90);
    static readonly TimeSpan StopDeadline = TimeSpan.FromSeconds(60);

    readonly string _secretKey = Convert.ToHexStringLower(Guid.NewGuid().ToByteArray());
    ChildProcess? _process;

    public Uri Address { get; } = new($"http://127.0.0.1:{ports.Api}");

    public int? ProcessId => _process is { HasExited: false } running ? running.Id : null;

    public string LogFile => folder.File("node.log");

    /// <summary>Starts it and returns when it says that it is ready.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (_process is not null)
            await _process.DisposeAsync();
        _process = ChildProcess.Start(new ChildProcessOptions
        {
            Name = "node",
            Program = "dotnet",
            Arguments = [NodeProgram.Find()],
            WorkingDirectory = folder.Path,
            OutputFile = LogFile,
            Environment = new Dictionary<string, string?>
            {
                ["CONFIG_DATABASE_URL"] = configDatabaseUrl,
                ["SECRET_KEY"] = _secretKey,
                ["ROSETTA__LISTEN__APIPORT"] = $"{ports.Api}",
                ["ROSETTA__LISTEN__HEALTHPORT"] = $"{ports.Health}",
                ["ROSETTA_DATA_DIR"] = folder.Path,
                ["ROSETTA__CLUSTER__PORT"] = $"{ports.Remoting}",
                // What the user has set for a node of his own is not for this one.
                ["ROSETTA_API_KEYS"] = null,
                ["ROSETTA_FAILPOINTS"] = null,
                ["REDIS_URL"] = null,
                // What is parked comes back soon after it can.
                ["DLQ_CHECK_INTERVAL"] = "3"
            }
        });
        await _process.WaitForHttpAsync(new Uri(Address, "/health/ready"), ReadyDeadline).WaitAsync(cancellationToken);
    }

    /// <summary>SIGKILL.</summary>
    public Task KillAsync() => _process?.KillAsync() ?? Task.CompletedTask;

    /// <summary>SIGTERM: it drains its pipeline and leaves the cluster; its exit code, null when it was not running.</summary>
    public async Task<int?> StopAsync() => _process is { HasExited: false } running ? await running.StopAsync(StopDeadline) : null;

    /// <summary>A client of its API.</summary>
    public ApiClient Connect() => new(Address);

    public string OutputTail(int lines) => _process?.OutputTail(lines) ?? "";

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
            await _process.DisposeAsync();
    }
}
